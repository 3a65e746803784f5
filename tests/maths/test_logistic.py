"""The logistic's logarithms at the ends of their range."""

import pytest
import torch

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
