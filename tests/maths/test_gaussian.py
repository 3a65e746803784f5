"""Normal divergences against quadrature, sampling and their own symmetries, in float64."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from torch.autograd import gradcheck

from vaebench.maths import gaussian

means = st.floats(-5, 5)
log_stds = st.floats(-3, 3)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def density(z: float, mean: float, log_std: float) -> float:
    return math.exp(-0.5 * ((z - mean) / math.exp(log_std)) ** 2) / (
        math.exp(log_std) * math.sqrt(2 * math.pi)
    )


@given(means, log_stds, means, log_stds)
def test_kl_is_the_integral(mq: float, sq: float, mp: float, sp: float) -> None:
    """Three Gauss-Hermite nodes are exact: under q, log q − log p is a quadratic."""
    expected = 0.0
    for node, weight in ((-math.sqrt(3), 1 / 6), (0.0, 2 / 3), (math.sqrt(3), 1 / 6)):
        z = tensor(mq + node * math.exp(sq))
        log_q = gaussian.log_density(z, tensor(mq), tensor(sq))
        expected += weight * (log_q - gaussian.log_density(z, tensor(mp), tensor(sp))).item()
    found = gaussian.kl(tensor(mq), tensor(sq), tensor(mp), tensor(sp)).item()
    assert math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


@given(means, log_stds)
def test_density_integrates_to_one_and_has_its_formula(mean: float, log_std: float) -> None:
    std = math.exp(log_std)
    total, _ = quad(
        lambda z: gaussian.log_density(tensor(z), tensor(mean), tensor(log_std)).exp().item(),
        mean - 12 * std,
        mean + 12 * std,
        points=[mean],
    )
    assert math.isclose(total, 1, abs_tol=1e-9)
    z = mean + 1.3 * std
    assert math.isclose(
        gaussian.log_density(tensor(z), tensor(mean), tensor(log_std)).exp().item(),
        density(z, mean, log_std),
        rel_tol=1e-9,
    )


@given(means, log_stds, means, log_stds)
def test_kl_is_zero_only_for_equals(mq: float, sq: float, mp: float, sp: float) -> None:
    q, p = (tensor(mq), tensor(sq)), (tensor(mp), tensor(sp))
    assert gaussian.kl(*q, *q).item() == 0
    found = gaussian.kl(*q, *p).item()
    assert found >= 0
    if abs(mq - mp) > 1e-3 or abs(sq - sp) > 1e-3:
        assert found > 0


@given(means, log_stds)
def test_standard_is_the_special_case(mean: float, log_std: float) -> None:
    q = (tensor(mean), tensor(log_std))
    zero = tensor(0.0)
    assert torch.allclose(gaussian.kl_standard(*q), gaussian.kl(*q, zero, zero), rtol=1e-12)
    assert torch.allclose(
        gaussian.log_density_standard(q[0]), gaussian.log_density(q[0], zero, zero), rtol=1e-12
    )


@given(means, log_stds, means, log_stds)
def test_gradients_match_finite_differences(mq: float, sq: float, mp: float, sp: float) -> None:
    inputs = tuple(tensor(v).requires_grad_() for v in (mq, sq, mp, sp))
    assert gradcheck(gaussian.kl, inputs, rtol=1e-4, atol=1e-6)


@given(st.floats(-300, 300), st.floats(-300, 300))
def test_kl_stays_finite_where_the_spreads_are_extreme(sq: float, sp: float) -> None:
    value = gaussian.kl(tensor(0.0), tensor(sq), tensor(0.0), tensor(sp)).item()
    assert value >= 0
    assert math.isfinite(value) or sq - sp > 300
