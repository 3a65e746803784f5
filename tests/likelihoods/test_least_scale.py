"""The floor of a logistic's scale acts, on densities, samples and means alike."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood
from vaebench.likelihoods.logistic import Logistic
from vaebench.likelihoods.logistic_mixture import LogisticMixture
from vaebench.noise import ImageNoise

KINDS = [Logistic, LogisticMixture]


def log_scales(likelihood: Likelihood, parameters: Tensor) -> Tensor:
    """A view of the log scales in parameters (B, channels, H, W), by the layouts that the classes name."""
    colours = likelihood.image.channels
    if isinstance(likelihood, LogisticMixture):
        rest = parameters[:, likelihood.components :]
        return rest.unflatten(1, (colours, -1, likelihood.components))[:, :, 1]
    return parameters.unflatten(1, (colours, 2))[:, :, 1]


@pytest.mark.parametrize("kind", KINDS)
@given(
    st.sampled_from([1, 3]),
    st.sampled_from([2, 17, 256]),
    st.floats(-9, 0),
    st.floats(0, 12),
    st.integers(0, 99),
)
def test_a_scale_under_the_floor_is_the_floor(
    kind: type[Likelihood], colours: int, levels: int, floor: float, below: float, seed: int
) -> None:
    torch.manual_seed(seed)
    likelihood = kind(ImageShape(colours, 2, 3, levels), min_log_scale=floor)  # type: ignore[call-arg]
    x = torch.randint(0, levels, (4, colours, 2, 3))
    at_floor = torch.randn(4, likelihood.channels, 2, 3).double()
    log_scales(likelihood, at_floor).fill_(floor)
    under = at_floor.clone()
    log_scales(likelihood, under).sub_(below)
    above = at_floor.clone()
    log_scales(likelihood, above).add_(1.0)

    def told(parameters: Tensor) -> list[Tensor]:
        noise = ImageNoise(seed, torch.arange(4))
        pixels = likelihood.log_prob_pixels(parameters, x)
        return [pixels, likelihood.mean(parameters), likelihood.sample(parameters, noise).double()]

    for due, found in zip(told(at_floor), told(under), strict=True):
        assert torch.allclose(due, found, rtol=1e-12, atol=0)
    assert not torch.equal(told(at_floor)[0], told(above)[0]), "above the floor a scale is as it is"
