"""A witness: NVAE's published discretised logistic is no distribution, and the sums-to-one law sees it."""

import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vaebench.maths import logistic

LEVELS = 256
mean = st.floats(-1.5, 1.5)
log_scale = st.floats(-7, 2)


def published(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """log mass with the right edge tested at 0.99, which 254/127.5 − 1 = 0.9922 passes too."""
    v = x / 127.5 - 1
    upper = (v - mean + 1 / 255) * torch.exp(-log_scale)
    lower = (v - mean - 1 / 255) * torch.exp(-log_scale)
    inner = (upper.sigmoid() - lower.sigmoid()).clamp(min=1e-300).log()
    return torch.where(v < -0.999, F.logsigmoid(upper), torch.where(v > 0.99, F.logsigmoid(-lower), inner))


def total(m: float, s: float, ours: bool) -> float:
    x = torch.arange(LEVELS, dtype=torch.float64)
    at, scale = (torch.full_like(x, value) for value in (m, s))
    log_mass = logistic.log_mass(x, at, scale, LEVELS) if ours else published(x, at, scale)
    return log_mass.exp().sum().item()


@given(mean, log_scale)
def test_ours_sums_to_one(m: float, s: float) -> None:
    assert abs(total(m, s, ours=True) - 1) < 1e-9


@given(mean, log_scale)
def test_the_published_form_has_the_top_levels_mass_twice(m: float, s: float) -> None:
    top = logistic.log_mass(*(torch.tensor(v, dtype=torch.float64) for v in (255.0, m, s)), LEVELS).exp()
    assert abs(total(m, s, ours=False) - (1 + top.item())) < 1e-9


def test_the_published_form_reaches_two() -> None:
    assert total(1.5, -7.0, ours=False) > 1.999
