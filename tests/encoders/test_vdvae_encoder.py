"""The very deep VAE's encoder: layer strings, pooling by any rate, channels by side, initial scalings."""

import re

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.contracts import ImageShape
from vaebench.encoders.vdvae import Vdvae, default, parse
from vaebench.errors import UsageError

SIZES = st.tuples(st.integers(1, 21), st.integers(1, 21))


@settings(max_examples=50)
@given(SIZES, st.lists(st.tuples(st.integers(1, 5), st.integers(0, 2), st.integers(1, 6)), max_size=4))
def test_any_layer_string(size: tuple[int, int], plan: list[tuple[int, int, int]]) -> None:
    """Maps of the sizes that pooling gives, of the channels asked for; one block per step."""
    h, w = size
    said, sizes, blocks, widths = [], [(h, w)], 0, {max(h, w): 3}
    for rate, more, channels in plan:
        side = max(h, w)
        said += [f"{side}x{more}"] * (more > 0) + [f"{side}d{rate}"]
        h, w = -(-h // rate), -(-w // rate)
        sizes.append((h, w))
        widths.setdefault(max(h, w), channels)
        blocks += more + 1
    said.append(f"{max(h, w)}" if said else f"{max(h, w)}x1")
    encoder = Vdvae(
        ImageShape(2, *size),
        blocks=",".join(said),
        width=1,
        widths=",".join(f"{side}:{channels}" for side, channels in widths.items()),
    ).double()
    maps = encoder(torch.randn(2, 2, *size, dtype=torch.float64))
    assert [m.shape[1:] for m in maps] == [(widths[max(s)], *s) for s in dict.fromkeys(sizes)]
    assert tuple(m.shape[1:] for m in maps) == tuple(map(tuple, encoder.levels))
    assert len(encoder.blocks) == blocks + 1
    for name, parameter in encoder.named_parameters():
        if name.endswith("bias"):
            assert not parameter.any()
    for block in encoder.blocks:
        bound = (block.c4.in_channels * len(encoder.blocks)) ** -0.5
        assert block.c4.weight.abs().max() <= bound


@settings(max_examples=30)
@given(SIZES, st.integers(1, 3))
def test_the_default_fits_any_image_and_ends_in_one_place(size: tuple[int, int], blocks: int) -> None:
    image = ImageShape(1, *size)
    encoder = Vdvae(image, blocks=str(blocks), width=2)
    assert encoder.levels[0][1:] == size
    assert encoder.levels[-1][1:] == (1, 1)
    assert len(parse(default(image, blocks), image)) == blocks * len(encoder.levels)
    maps = encoder(torch.zeros(1, 1, *size))
    assert [m.shape[1:] for m in maps] == [tuple(level) for level in encoder.levels]


def test_the_papers_network_is_the_default_of_its_size() -> None:
    assert default(ImageShape(3, 32, 32), 1) == "32d2,16d2,8d2,4d4,1x1"
    assert default(ImageShape(3, 28, 28), 2) == "28x1,28d2,14x1,14d2,7x1,7d2,4x1,4d4,1x2"


@given(st.integers(1, 4), st.integers(1, 3))
def test_pooling_is_the_mean_of_a_window_and_padding_is_zeros(rate: int, more: int) -> None:
    """With blocks that add nothing, a coarser map is the mean of the finer one's windows, then zeros."""
    side = rate * more
    encoder = Vdvae(ImageShape(1, side, side), blocks=f"{side}d{rate},{more}", width=2, widths=f"{more}:5")
    encoder = encoder.double()
    for block in encoder.blocks:
        torch.nn.init.zeros_(block.c4.weight)
    maps = encoder(torch.randn(2, 1, side, side, dtype=torch.float64))
    if rate == 1:
        return
    pooled = F.adaptive_avg_pool2d(maps[0], (more, more))
    assert torch.allclose(maps[1][:, :2], pooled)
    assert not maps[1][:, 2:].any()


@pytest.mark.parametrize(
    ("given_", "said"),
    [
        ({"blocks": "8x2,4x1"}, "4x1 does not fit; the map's side is 8"),
        ({"blocks": "8m2,4"}, "'8m2' is neither SIDExCOUNT nor SIDEdRATE"),
        ({"blocks": "0"}, "'1x0' is neither"),
        ({"blocks": "8d2,4", "widths": "4-8"}, "'4-8' is not SIDE:CHANNELS"),
        ({"blocks": "8d2,4", "widths": "4:8,4:9"}, "side 4 is given twice"),
        ({"blocks": "8d2,4", "widths": "5:8"}, "there is no map of side 5; the sides are [8, 4]"),
    ],
)
def test_wrong_strings_are_refused_in_one_line(given_: dict[str, str], said: str) -> None:
    with pytest.raises(UsageError, match=re.escape(said)):
        Vdvae(ImageShape(1, 8, 8), **given_)
