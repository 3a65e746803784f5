"""The ELBO objective: its weight, its free bits, its balance, and its bound."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Group, Progress
from vaebench.errors import UsageError
from vaebench.objectives import balance
from vaebench.objectives.elbo import Elbo

from .batches import GROUPS, IMAGE, reals

shares = st.floats(0, 1)
MAPS = st.lists(
    st.sampled_from([(2, 1, 1), (2, 2, 2), (1, 4, 4), (3, 2, 4)]).map(lambda shape: Group("z", shape)),
    min_size=1,
    max_size=6,
).map(tuple)


@given(st.integers(0, 1000), st.integers(1, 3), shares, shares, shares, st.integers(0, 20))
def test_warm_up_weighs_the_rate(
    seed: int, samples: int, warmup: float, hold: float, least: float, step: int
) -> None:
    """w = clip((t − hold·T)/(warmup·T), min_weight, 1), a share of less than a step counting as one."""
    one = reals(seed, samples)
    held = step - hold * 20
    weight = min(1.0, held / max(1.0, warmup * 20)) if warmup else float(held >= 0)
    weight = max(weight, least)
    objective = Elbo(GROUPS, IMAGE, warmup=warmup, hold=hold, min_weight=least)
    found = objective(one, Progress(step, 20))
    assert torch.allclose(found, (one.distortion + weight * one.kl().sum(0)).mean(0))
    if weight == 1:
        assert torch.allclose(found, -one.elbo())


@given(st.integers(0, 1000), st.floats(0.01, 20))
def test_free_bits_floor_each_groups_mean_and_stop_its_gradient(seed: int, floor: float) -> None:
    one = reals(seed)
    loss = Elbo(GROUPS, IMAGE, warmup=0.0, free_bits=floor)(one, Progress(0, 1)).mean()
    means = one.kl().mean((1, 2))
    assert torch.allclose(loss, one.distortion.mean() + means.clamp(min=floor).sum())
    given_moments = [t.q.location for t in one.terms]
    found = torch.autograd.grad(loss, given_moments, allow_unused=True, materialize_grads=True)
    for moments, gradient, mean in zip(given_moments, found, means, strict=True):
        assert torch.allclose(gradient, moments / 4 * bool(mean >= floor))


@given(st.integers(0, 1000), MAPS, st.integers(0, 20), st.integers(1, 3))
def test_balance_presses_groups_by_rate_and_size(
    seed: int, groups: tuple[Group, ...], step: int, samples: int
) -> None:
    """γ_g ∝ (E|KL_g| + 0.01)·(groups of g's size)/(places of g), mean 1; γ itself has no gradient."""
    one = reals(seed, samples, groups=groups)
    objective = Elbo(groups, IMAGE, balance=True, warmup=0.5, min_weight=0.1)
    found = objective(one, Progress(step, 20))
    weight = max(0.1, min(1.0, step / 10))
    if weight == 1:
        assert torch.allclose(found, -one.elbo()), "past the warm-up it is the bound again"
        return
    rates = one.kl().mean(1)
    raw = []
    for group, rate in zip(groups, rates, strict=True):
        alike = sum(other.shape[1:] == group.shape[1:] for other in groups)
        raw.append((rate.mean().item() + 0.01) * alike / (group.shape[1] * group.shape[2]))
    gamma = [len(raw) * r / sum(raw) for r in raw]
    expected = one.distortion.mean(0) + weight * sum(g * rate for g, rate in zip(gamma, rates, strict=True))
    assert torch.allclose(found, expected)
    moments = [t.q.log_std for t in one.terms]
    pairs = zip(
        torch.autograd.grad(found.mean(), moments, retain_graph=True),
        torch.autograd.grad(expected.mean(), moments),
        strict=True,
    )
    assert all(torch.allclose(a, b) for a, b in pairs)


@given(st.lists(st.lists(st.floats(-9, 9), min_size=3, max_size=3), min_size=1, max_size=5))
def test_balance_goes_by_the_size_of_a_rate_whatever_its_sign(rates: list[list[float]]) -> None:
    """A rate that is estimated at a sample may be negative: γ_g ∝ (E|KL_g| + 0.01)/α_g."""
    kl, alpha = torch.tensor(rates).double(), torch.arange(1, len(rates) + 1).double()
    raw = [(sum(map(abs, each)) / 3 + 0.01) / size for each, size in zip(rates, alpha.tolist(), strict=True)]
    due = torch.tensor(raw).double() * len(raw) / sum(raw)
    assert torch.allclose(balance.coefficients(kl, alpha), due, rtol=1e-6)


def test_balance_without_a_warm_up_is_refused() -> None:
    with pytest.raises(UsageError, match="warmup above 0"):
        Elbo(GROUPS, IMAGE, balance=True, warmup=0.0)
