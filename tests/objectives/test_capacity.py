"""The controlled capacity: where C is, and which way the rate is pressed."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Progress
from vaebench.objectives.capacity import Capacity

from .batches import CODES, GROUPS, IMAGE, codes, reals

seeds = st.integers(0, 1000)


@given(st.floats(0, 100), st.floats(0.05, 1), st.integers(1, 1000), st.integers(0, 1000))
def test_capacity_rises_from_zero_and_stays(c_max: float, rise: float, total: int, step: int) -> None:
    objective = Capacity(GROUPS, IMAGE, c_max=c_max, rise=rise)

    def at(t: int) -> float:
        return objective.capacity(Progress(t, total))

    assert at(0) == 0.0
    assert at(total) == c_max
    assert at(step) <= at(step + 1) <= c_max
    if rise * total >= 1 and step + 1 <= rise * total:
        assert abs(at(step + 1) - at(step) - c_max / (rise * total)) < 1e-9 * (1 + c_max)
    assert Capacity(GROUPS, IMAGE, c_max=c_max, rise=0.0).capacity(Progress(0, total)) == c_max


@given(seeds, st.floats(0, 1000), st.floats(0, 40), st.integers(1, 3), st.booleans())
def test_the_mean_loss_is_the_distance_of_the_mean_rate(
    seed: int, gamma: float, capacity: float, samples: int, coded: bool
) -> None:
    one, groups = (codes(seed), CODES) if coded else (reals(seed, samples), GROUPS)
    loss = Capacity(groups, IMAGE, gamma=gamma, c_max=capacity, rise=0.0)(one, Progress(0, 1))
    rate = one.kl().sum(0).mean()
    expected = one.distortion.mean() + gamma * (rate - capacity).abs()
    assert torch.allclose(loss.mean(), expected, rtol=1e-9)


@given(seeds, st.floats(0.1, 1000), st.floats(0.2, 5))
def test_the_rate_is_pressed_towards_capacity(seed: int, gamma: float, factor: float) -> None:
    """The gradient is +γ that of the mean rate above C, −γ below, and nothing at C."""
    one = reals(seed)
    rate = one.kl().sum(0).mean()
    moments = [m for t in one.terms for m in (t.q.location, t.q.log_std)]
    slopes = torch.autograd.grad(rate, moments, retain_graph=True)
    for capacity in (factor * rate.item(), rate.item()):
        objective = Capacity(GROUPS, IMAGE, gamma=gamma, c_max=capacity, rise=0.0)
        loss = objective(one, Progress(0, 1)).mean()
        sign = (rate.item() > capacity) - (rate.item() < capacity)
        found = torch.autograd.grad(loss, moments, retain_graph=True)
        if capacity == rate.item():
            assert torch.allclose(loss, one.distortion.mean(), rtol=1e-12)
        if sign:
            assert all(torch.allclose(f, gamma * sign * s) for f, s in zip(found, slopes, strict=True))
