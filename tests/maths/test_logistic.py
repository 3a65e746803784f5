"""The logistic's logarithms at the ends of their range, its quantile, and its scale."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.maths import logistic


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_log1mexp_has_finite_values_and_gradients_everywhere(dtype: torch.dtype) -> None:
    d = torch.logspace(-30, 3, 200, dtype=dtype).requires_grad_()
    value = logistic.log1mexp(d)
    value.sum().backward()
    assert value.isfinite().all()
    assert d.grad is not None
    assert d.grad.isfinite().all()
    assert torch.allclose(d.grad, 1 / torch.expm1(d.detach()), rtol=1e-4)


@given(st.floats(-5, 5), st.floats(-7, 5), st.floats(1e-6, 1 - 1e-6))
def test_the_quantile_inverts_the_distribution_function(mean: float, log_scale: float, u: float) -> None:
    m, s, share = (torch.tensor(v, dtype=torch.float64) for v in (mean, log_scale, u))
    below = torch.sigmoid((logistic.icdf(share, m, s) - m) / s.exp())
    assert torch.allclose(below, share, rtol=1e-6)


@given(st.integers(2, 300), st.sampled_from([torch.float32, torch.float64, torch.int64, torch.uint8]))
def test_integers_survive_the_way_to_the_unit_and_back(levels: int, dtype: torch.dtype) -> None:
    x = torch.arange(min(levels, 256)).to(dtype)
    v = logistic.to_unit(x, levels)
    assert v.dtype == (dtype if dtype.is_floating_point else torch.float32)
    assert torch.allclose(v.double(), 2 * x.double() / (levels - 1) - 1, atol=1e-6)
    assert torch.equal(logistic.from_unit(v, levels), x.long())
    assert logistic.from_unit(torch.tensor([-9.0, 9.0]), levels).tolist() == [0, levels - 1]
