"""The standard normal density; divergences are under the laws of ``vaebench.testing``."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.maths import gaussian

means = st.floats(-5, 5)
log_stds = st.floats(-3, 3)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@given(means, log_stds)
def test_standard_is_the_special_case(mean: float, log_std: float) -> None:
    q = (tensor(mean), tensor(log_std))
    zero = tensor(0.0)
    assert torch.allclose(
        gaussian.log_density_standard(q[0]), gaussian.log_density(q[0], zero, zero), rtol=1e-12
    )
