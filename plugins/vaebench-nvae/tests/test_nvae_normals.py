"""The residual normals: their moments, and the rate that follows from them."""

import math

import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from vaebench_nvae.normals import normal, residual, soft_clamp

from vaebench.distributions import DiagonalNormal, kl

moment = st.floats(-3, 3)


def filled(*values: float) -> Tensor:
    """(1, C, 1, 1)."""
    return torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1)


@given(moment, moment, moment, moment)
def test_the_rate_of_the_pure_parameterisation_has_its_closed_form(
    mean: float, log_std: float, shift: float, log_ratio: float
) -> None:
    """KL = ½(Δμ²/σp² + Δσ² − log Δσ² − 1) for N(μp + Δμ, (σp·Δσ)²)."""
    p = DiagonalNormal(filled(mean), filled(log_std))
    q = DiagonalNormal(filled(mean + shift), filled(log_std + log_ratio))
    square = math.exp(2 * log_ratio)
    closed = 0.5 * (shift**2 / math.exp(2 * log_std) + square - math.log(square) - 1)
    assert math.isclose(kl(q, p, q.location).item(), closed, rel_tol=1e-9, abs_tol=1e-9)


@given(*[st.floats(-30, 30)] * 4)
def test_clamped_moments_and_the_rate_between_them(a: float, b: float, da: float, db: float) -> None:
    """Clamp and floor act on the sums, and the rate is that of the normals that result."""

    def published(mean: float, log_std: float) -> tuple[float, float]:
        return 5 * math.tanh(mean / 5), math.exp(5 * math.tanh(log_std / 5)) + 0.01

    p, q = normal(filled(a, b)), residual(filled(a, b), filled(da, db))
    (mean_p, std_p), (mean_q, std_q) = published(a, b), published(a + da, b + db)
    assert math.isclose(p.location.item(), mean_p, rel_tol=1e-12, abs_tol=1e-12)
    assert math.isclose(q.log_std.exp().item(), std_q, rel_tol=1e-12)
    expected = math.log(std_p / std_q) + (std_q**2 + (mean_q - mean_p) ** 2) / (2 * std_p**2) - 0.5
    assert math.isclose(kl(q, p, q.location).item(), expected, rel_tol=1e-9, abs_tol=1e-9)


def test_no_change_is_the_prior_and_zeros_are_the_published_root() -> None:
    raw = torch.randn(2, 6, 3, 3)
    assert kl(residual(raw, torch.zeros_like(raw)), normal(raw), raw[:, :3]).abs().max() == 0
    root = normal(torch.zeros(1, 2, 1, 1, dtype=torch.float64))
    assert root.location.item() == 0
    assert math.isclose(root.log_std.exp().item(), 1.01)


def test_the_clamp_is_the_identity_near_zero_and_bounded() -> None:
    x = torch.linspace(-1e3, 1e3, 1001, dtype=torch.float64)
    assert soft_clamp(x).abs().max() <= 5
    small = torch.linspace(-0.1, 0.1, 11, dtype=torch.float64)
    assert (soft_clamp(small) - small).abs().max() < 2e-5


def test_half_precision_is_raised() -> None:
    q = residual(torch.randn(2, 4, 2, 2).bfloat16(), torch.randn(2, 4, 2, 2).bfloat16())
    assert q.location.dtype == q.log_std.dtype == torch.float32
