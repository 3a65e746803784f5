"""The learned normal prior: its mean and its scale are trained apart."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Context, Group, ImageShape
from vaebench.distributions import DiagonalNormal
from vaebench.noise import TorchNoise
from vaebench.priors.normal import Normal


@given(st.integers(1, 5), st.floats(-3, 3), st.integers(1, 4))
def test_mean_and_scale_share_no_memory(dims: int, mean: float, batch: int) -> None:
    prior = Normal((Group("z", (dims,)),), ImageShape(1, 4, 4, 2), learned=True)
    with torch.no_grad():
        prior.location.fill_(mean)
    p = prior.at(0, Context(batch, (), TorchNoise()))
    assert isinstance(p, DiagonalNormal)
    assert torch.equal(p.location, torch.full((batch, dims), mean))
    assert torch.equal(p.log_std, torch.zeros(batch, dims))
