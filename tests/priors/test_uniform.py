"""The uniform prior over codes: sums to one, and draws every code alike."""

import itertools
import math

import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Context, Group, ImageShape
from vaebench.distributions import Codes, kl
from vaebench.noise import GivenNoise, TorchNoise
from vaebench.priors.uniform import Uniform

IMAGE = ImageShape(1, 8, 8)


@given(st.integers(1, 3), st.integers(1, 2), st.integers(1, 2), st.integers(1, 3))
def test_it_sums_to_one_over_all_grids(codes: int, height: int, width: int, above: int) -> None:
    groups = tuple(Group(str(i), (height, width), codes) for i in range(above + 1))
    prior = Uniform(groups, IMAGE).double()

    def log_prob(z: torch.Tensor) -> torch.Tensor:
        return prior.at(above, Context(len(z), (), TorchNoise())).log_prob(z)

    every = torch.tensor(list(itertools.product(range(codes), repeat=height * width)))
    assert math.isclose(log_prob(every.view(-1, height, width)).exp().sum().item(), 1, rel_tol=1e-12)
    for outside in (-1, codes):
        assert log_prob(torch.full((1, height, width), outside)).item() == -math.inf


@given(st.integers(1, 1000), st.lists(st.floats(0, 1, exclude_min=True, exclude_max=True), min_size=1))
def test_a_code_is_the_inverse_distribution_function_of_the_noise(codes: int, u: list[float]) -> None:
    p = Uniform((Group("z", (len(u),), codes),), IMAGE).at(0, Context(1, (), TorchNoise()))
    drawn = p.sample(GivenNoise([torch.tensor([u], dtype=torch.float64)]))
    assert drawn.dtype == torch.int64
    assert drawn[0].tolist() == [math.floor(v * codes) for v in u]
    assert drawn.max() < codes


def test_the_rate_of_codes_is_minus_the_priors_log() -> None:
    codes = torch.randint(0, 7, (5, 3, 2))
    p = Uniform((Group("z", (3, 2), 7),), IMAGE).at(0, Context(5, (), TorchNoise()))
    rate = kl(Codes(codes), p, codes)
    assert torch.allclose(rate, torch.full((5,), 6 * math.log(7)))
    assert torch.equal(rate, -p.log_prob(codes))
