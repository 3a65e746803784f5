"""Masking, reach, and drawing with memory, over generated networks in float64."""

import itertools

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench.blocks.gated import GatedLayer, GatedPixelCnn, pick
from vaebench.blocks.raster import draw
from vaebench.errors import UsageError

NETS = st.fixed_dictionaries(
    {
        "inputs": st.integers(1, 3),
        "width": st.integers(1, 4),
        "layers": st.integers(1, 4),
        "kernel": st.sampled_from([3, 5, 7]),
        "condition": st.integers(0, 2),
    }
)
SIZES = st.tuples(st.integers(1, 6), st.integers(1, 6))


def made(
    net: dict[str, int], size: tuple[int, int], seed: int
) -> tuple[GatedPixelCnn, Tensor, Tensor | None]:
    torch.manual_seed(seed)
    built = GatedPixelCnn(**net).double()
    condition = torch.randn(2, net["condition"], *size).double() if net["condition"] else None
    return built, torch.randn(2, net["inputs"], *size).double(), condition


def seen(net: GatedPixelCnn, x: Tensor, condition: Tensor | None, row: int, column: int) -> Tensor:
    """(H, W): whether the output at a place depends on the input at each place."""
    x = x[:1].clone().requires_grad_()
    out = net(x, None if condition is None else condition[:1])[0, :, row, column]
    grads = [torch.autograd.grad(o, x, retain_graph=True)[0] for o in out]
    return torch.stack(grads).abs().amax((0, 1, 2)) > 0


@given(NETS, SIZES, st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_a_place_sees_all_earlier_places_within_reach_and_nothing_else(
    net: dict[str, int], size: tuple[int, int], seed: int, data: st.DataObject
) -> None:
    built, x, condition = made({**net, "width": 4}, size, seed)
    row, column = (data.draw(st.integers(0, n - 1)) for n in size)
    r = net["kernel"] // 2
    up = torch.arange(size[0])[:, None] - row
    left = torch.arange(size[1])[None] - column
    reach = r * net["layers"]
    before = (up == 0) & (left < 0) & (left >= -reach)
    above = (up < 0) & (up >= -1 - reach) & (left.abs() <= reach)
    found = seen(built, x, condition, row, column)
    assert torch.equal(found, before | above)


def by_places(layer: GatedLayer, v: Tensor, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
    """A gated layer computed place by place: what each reads, its gates, and its residual."""
    r, places = layer.reach, list(itertools.product(range(v.shape[2]), range(v.shape[3])))
    padded_v, padded_h = F.pad(v, (r, r, r, 0)), F.pad(h, (r, 0))
    side = r if layer.first else r + 1
    up = torch.zeros(len(v), layer.vertical.out_channels, *v.shape[2:]).double()
    for i, j in places:
        window = padded_v[:, :, i : i + r + 1, j : j + 2 * r + 1]
        up[:, :, i, j] = torch.einsum("bcyx,ocyx->bo", window, layer.vertical.weight) + layer.vertical.bias
    out_v, out_h = torch.zeros_like(up.chunk(2, 1)[0]), torch.zeros_like(up.chunk(2, 1)[0])
    for i, j in places:
        row = padded_h[:, :, i, j : j + side]
        left = torch.einsum("bcx,ocx->bo", row, layer.horizontal.weight[:, :, 0]) + layer.horizontal.bias
        above = up[:, :, i - 1, j] if i else torch.zeros_like(up[:, :, 0, 0])
        left = left + above @ layer.link.weight[:, :, 0, 0].T + layer.link.bias
        own = up[:, :, i, j]
        if layer.condition is not None and condition is not None:
            told = condition[:, :, i, j] @ layer.condition.weight[:, :, 0, 0].T + layer.condition.bias
            own, left = own + told[:, : own.shape[1]], left + told[:, own.shape[1] :]
        half = own.shape[1] // 2
        out_v[:, :, i, j] = torch.tanh(own[:, :half]) / (1 + torch.exp(-own[:, half:]))
        gated = torch.tanh(left[:, :half]) / (1 + torch.exp(-left[:, half:]))
        mixed = gated @ layer.mix.weight[:, :, 0, 0].T + layer.mix.bias
        out_h[:, :, i, j] = mixed if layer.first else h[:, :, i, j] + mixed
    return out_v, out_h


@given(NETS, SIZES, st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_the_network_is_its_layers_place_by_place(
    net: dict[str, int], size: tuple[int, int], seed: int
) -> None:
    built, x, condition = made(net, size, seed)
    v = h = x
    for layer in built.layers:
        assert isinstance(layer, GatedLayer)
        v, h = by_places(layer, v, h, condition)
    torch.testing.assert_close(built(x, condition), h, rtol=1e-10, atol=1e-10)


@given(NETS, SIZES, st.integers(0, 99))
@settings(max_examples=60, deadline=None)
def test_drawing_with_memory_sees_what_the_plain_pass_sees(
    net: dict[str, int], size: tuple[int, int], seed: int
) -> None:
    built, x, condition = made(net, size, seed)
    plain = built(x, condition)
    features = torch.full_like(plain, torch.nan)

    def at(row: int, column: int, h: Tensor) -> Tensor:
        features[:, :, row, column] = h
        return x[:, :, row, column]

    draw(built, 2, size, condition, at)
    torch.testing.assert_close(features, plain, rtol=1e-12, atol=1e-12)


@given(NETS, SIZES, st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_in_float32_the_features_agree_closely(net: dict[str, int], size: tuple[int, int], seed: int) -> None:
    built, x, condition = made(net, size, seed)
    built, x = built.float(), x.float()
    condition = None if condition is None else condition.float()
    plain = built(x, condition)

    def at(row: int, column: int, h: Tensor) -> Tensor:
        torch.testing.assert_close(h, plain[:, :, row, column], rtol=1e-5, atol=1e-5)
        return x[:, :, row, column]

    draw(built, 2, size, condition, at)


@given(st.integers(2, 6), st.integers(0, 99))
def test_pick_inverts_the_distribution_function(codes: int, seed: int) -> None:
    torch.manual_seed(seed)
    logits = torch.randn(1, codes).double()
    upper = logits.softmax(1).cumsum(1)[0]
    lower = torch.cat([torch.zeros(1).double(), upper[:-1]])
    middle = (lower + upper) / 2
    assert pick(logits.expand(codes, codes), middle).tolist() == list(range(codes))


def test_an_even_kernel_is_refused() -> None:
    with pytest.raises(UsageError, match="kernel=4: an odd number is expected, such as 5"):
        GatedPixelCnn(1, 1, 1, 4)
