"""The grid is a bijection, every code is reachable, and the gradient passes the rounding unchanged."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from vaebench_fsq.latent import Fsq
from vaebench_fsq.quantise import Grid

from vaebench.contracts import ImageShape, Infer, Level
from vaebench.errors import UsageError
from vaebench.noise import TorchNoise
from vaebench.priors.uniform import Uniform

settings.register_profile("fsq", deadline=None, derandomize=True)
settings.load_profile("fsq")
levels = st.lists(st.integers(2, 9), min_size=1, max_size=4).map(tuple)


@given(levels)
def test_codes_and_values_are_one_to_one(sides: tuple[int, ...]) -> None:
    grid = Grid(sides)
    codes = torch.arange(math.prod(sides)).reshape(1, 1, -1)
    values = grid.values(codes)
    assert torch.equal(grid.round(values.double()), codes)
    assert len(values[0, :, 0].T.unique(dim=0)) == grid.codes == math.prod(sides)
    for channel, side in zip(values[0, :, 0], sides, strict=True):
        assert channel.unique().tolist() == list(range(-(side // 2), (side + 1) // 2))
    assert grid.scaled(values).abs().max() <= 1


@given(levels)
def test_every_code_is_reached_by_a_finite_value(sides: tuple[int, ...]) -> None:
    grid = Grid(sides)
    each = torch.linspace(-12, 12, 4801, dtype=torch.float64)
    found = grid.bound(each.expand(1, len(sides), 1, -1)).round()[0, :, 0]
    for channel, side in zip(found, sides, strict=True):
        assert channel.unique().tolist() == list(range(-(side // 2), (side + 1) // 2))


@given(levels, st.integers(0, 1000))
@settings(max_examples=30)
def test_the_gradient_is_that_of_the_bound(sides: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    image = ImageShape(1, 4, 4)
    layer = Fsq((Level(3, 2, 2),), image, levels=",".join(map(str, sides))).double()
    prior = Uniform(layer.groups, image)
    h = torch.randn(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    out = layer.walk((h,), Infer(), prior, TorchNoise(), 2).features[0]
    weights = torch.randn_like(out)
    (found,) = torch.autograd.grad((out * weights).sum(), h)
    smooth = layer.grid.scaled(layer.grid.bound(layer.project(h)))
    (due,) = torch.autograd.grad((smooth * weights).sum(), h)
    assert torch.equal(found, due)
    assert torch.allclose(out * (layer.grid.levels // 2), (out * (layer.grid.levels // 2)).round(), atol=1e-9)


@given(st.sampled_from(["8,5,5,5", "2", "7,5,5,5,5"]), st.integers(0, 1000))
@settings(max_examples=20)
def test_the_code_is_the_nearest_point(text: str, seed: int) -> None:
    torch.manual_seed(seed)
    grid = Grid(tuple(map(int, text.split(","))))
    bounded = grid.bound(3 * torch.randn(1, len(grid.levels), 1, 5, dtype=torch.float64))
    points = grid.values(torch.arange(grid.codes).reshape(1, 1, -1))[0, :, 0].T.double()
    nearest = torch.cdist(bounded[0, :, 0].T, points).argmin(1)
    assert torch.equal(grid.round(bounded)[0, 0], nearest)


@pytest.mark.parametrize("text", ["", "8,1", "8,x", "8,,5", "-3", "2.5"])
def test_wrong_levels_are_refused_in_one_line(text: str) -> None:
    with pytest.raises(UsageError, match="integers of 2 or more"):
        Fsq((Level(3, 2, 2),), ImageShape(1, 4, 4), levels=text)
