"""Masking, reach, and drawing with memory, over generated networks in float64."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench.blocks.gated import GatedPixelCnn, pick
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
