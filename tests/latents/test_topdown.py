"""The top-down layer: its layer strings, its initial scalings, and that both of its walks are one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.contracts import Generate, Given, ImageShape, Infer, Level
from vaebench.distributions import DiagonalNormal, StandardNormal, kl
from vaebench.errors import UsageError
from vaebench.latents import layout
from vaebench.latents.topdown import TopDown
from vaebench.noise import GivenNoise, TorchNoise
from vaebench.priors.normal import Normal
from vaebench.priors.own import Own

LEVELS = (Level(6, 8, 8), Level(5, 4, 4), Level(4, 2, 2), Level(3, 1, 1))


@given(st.lists(st.tuples(st.integers(1, 3), st.booleans()), min_size=4, max_size=4), st.integers(1, 4))
def test_any_layout_walks_and_its_rates_add_up(plan: list[tuple[int, bool]], start: int) -> None:
    heights = [1, 2, 4, 8][-start:]
    text = f"{heights[0]}x{plan[0][0]}"
    for coarser, height, (count, twice) in zip(heights, heights[1:], plan[1:], strict=False):
        text += f",{height}m{coarser},{height}x{count}" + f",{height}" * twice
    layer = TopDown(LEVELS, ImageShape(1, 8, 8), blocks=text, z_channels=2).double()
    prior = Normal(layer.groups, ImageShape(1, 8, 8)).double()
    features = tuple(torch.randn(3, *level, dtype=torch.float64) for level in LEVELS)
    walk = layer.walk(features, Infer(), prior, TorchNoise(), 3)
    assert [t.z.shape[2] for t in walk.terms] == [b.side for b in layout.parse(text)]
    assert walk.features[0].shape == (3, *layer.out[0])
    assert layer.out[0].height == 8
    assert torch.equal(walk.terms[0].q.mean, layer.root(features).mean)
    given_back = layer.walk(None, Given([t.z for t in walk.terms]), prior, TorchNoise(), 3)
    assert torch.allclose(given_back.features[0], walk.features[0])


def test_temperature_zero_is_the_prior_means_and_one_is_the_prior() -> None:
    layer = TopDown(LEVELS, ImageShape(1, 8, 8), z_channels=2).double()
    prior = Normal(layer.groups, ImageShape(1, 8, 8)).double()
    cold = [layer.walk(None, Generate(0.0), prior, TorchNoise(), 2) for _ in range(2)]
    assert torch.equal(cold[0].features[0], cold[1].features[0])
    for term in cold[0].terms:
        assert torch.equal(term.z, term.p.mean)
    eps = [torch.randn(2, *g.shape, dtype=torch.float64) for g in layer.groups]
    warm = layer.walk(None, Generate(1.0), prior, GivenNoise(eps), 2)
    for term, e in zip(warm.terms, eps, strict=True):
        assert torch.allclose(term.z, term.p.location + term.p.log_std.exp() * e)


@pytest.mark.parametrize(
    ("blocks", "said"),
    [
        ("1x2,8q1", "'8q1' is neither"),
        ("8d2,4", "'8d2' is neither SIDExCOUNT nor SIDEmCOARSER"),
        ("0", "'1x0' is neither"),
        ("4x1,2m4", "mixes in side 4, which no earlier, coarser block has"),
        ("1x1,8m4", "mixes in side 4, which no earlier, coarser block has"),
        ("1x1,16m1", r"the encoder has no map of side 16; its sides are \[8, 4, 2, 1\]"),
        ("", "'' is neither"),
    ],
)
def test_wrong_layouts_are_refused_in_one_line(blocks: str, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        TopDown(LEVELS, ImageShape(1, 8, 8), blocks=blocks)


@settings(max_examples=20)
@given(st.integers(1, 3), st.integers(1, 4), st.sampled_from([0, 1, 4, 8]))
def test_initial_scalings(blocks: int, z_channels: int, no_bias_above: int) -> None:
    """Biases and start states zero; p starts at N(0, 1) and adds nothing to the state; z enters by √(1/n)."""
    torch.manual_seed(blocks)
    layer = TopDown(
        LEVELS, ImageShape(1, 8, 8), blocks=str(blocks), z_channels=z_channels, no_bias_above=no_bias_above
    ).double()
    count = 4 * blocks
    assert len(layer.groups) == count
    for name, parameter in layer.named_parameters():
        if name.endswith("bias") or name.startswith("start."):
            assert not parameter.any(), name
    assert sorted(map(int, layer.start)) == [side for side in (1, 2, 4, 8) if side <= no_bias_above]
    shares = []  # of the largest weight that torch draws, 1/√inputs, times √(1/n)
    for block in layer.blocks:
        for scaled in (block.z_proj, block.residual.c4):
            shares.append(scaled.weight.abs().max().item() * (scaled.in_channels * count) ** 0.5)
        assert not block.prior.c4.weight.any()
        assert block.posterior.c4.weight.any()
    assert 0.8 < max(shares) <= 1
    features = tuple(torch.randn(2, *level, dtype=torch.float64) for level in LEVELS)
    walk = layer.walk(features, Infer(), Own(layer.groups, ImageShape(1, 8, 8)), TorchNoise(), 2)
    for term in walk.terms:
        standard = StandardNormal(torch.zeros_like(term.z))
        assert isinstance(term.p, DiagonalNormal)
        assert torch.equal(term.p.location, standard.location)
        assert torch.allclose(kl(term.q, term.p, term.z), kl(term.q, standard, term.z))


def test_a_coarser_state_is_padded_or_cropped_in_channels() -> None:
    """The first state of a side is the coarser one's channels that it has, then zeros."""
    for coarse, fine in ((2, 5), (5, 2)):
        levels = (Level(fine, 2, 2), Level(coarse, 1, 1))
        layer = TopDown(levels, ImageShape(1, 2, 2), z_channels=1).double()
        below = torch.randn(3, coarse, 1, 1, dtype=torch.float64)
        state = layer._state({1: below}, layer.layout[1], 3)
        assert state.shape == (3, fine, 2, 2)
        kept = min(coarse, fine)
        assert torch.equal(state[:, :kept], below[:, :kept].expand(-1, -1, 2, 2))
        assert not state[:, kept:].any()
