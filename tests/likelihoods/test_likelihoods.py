"""Every registered likelihood is a distribution over the integers 0 .. levels-1, and samples from itself."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chi2

from vaebench import registry
from vaebench.contracts import ImageShape, Likelihood
from vaebench.noise import TorchNoise

NAMES = registry.load().names("likelihood")
GREY = [name for name in NAMES if name != "bernoulli"]


def made(name: str, image: ImageShape) -> Likelihood:
    return registry.load().resolve("likelihood", name)(image)


def fits(name: str, image: ImageShape) -> bool:
    part = registry.load().resolve("likelihood", name)
    return all(not image.tags.isdisjoint(n.split("|")) for n in part.needs.get("data", ()))


def every_image(image: ImageShape) -> torch.Tensor:
    values = itertools.product(range(image.levels), repeat=image.dims)
    return torch.tensor(list(values)).reshape(-1, image.channels, image.height, image.width)


def parameters(likelihood: Likelihood, spread: float, shift: float = 0.0) -> torch.Tensor:
    image = likelihood.image
    return spread * torch.randn(1, likelihood.channels, image.height, image.width).double() + shift


scales = st.sampled_from([0.0, 1.0, 5.0, 30.0, 300.0])
shifts = st.sampled_from([0.0, -20.0, 20.0])


@pytest.mark.parametrize("name", NAMES)
@given(levels=st.sampled_from([2, 3, 17, 32, 256]), spread=scales, shift=shifts, seed=st.integers(0, 1000))
def test_one_pixel_sums_to_one(name: str, levels: int, spread: float, shift: float, seed: int) -> None:
    image = ImageShape(1, 1, 1, levels)
    if not fits(name, image):
        return
    torch.manual_seed(seed)
    likelihood = made(name, image)
    params = parameters(likelihood, spread, shift)
    x = every_image(image)
    total = likelihood.log_prob(params.expand(len(x), -1, -1, -1), x).logsumexp(0)
    assert abs(total.item()) < 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "image", [ImageShape(3, 1, 1, 2), ImageShape(3, 1, 1, 5), ImageShape(1, 2, 2, 3), ImageShape(2, 1, 2, 3)]
)
@given(spread=scales, seed=st.integers(0, 1000))
def test_all_tiny_images_sum_to_one(name: str, image: ImageShape, spread: float, seed: int) -> None:
    if not fits(name, image):
        return
    torch.manual_seed(seed)
    likelihood = made(name, image)
    params = parameters(likelihood, spread)
    x = every_image(image)
    total = likelihood.log_prob(params.expand(len(x), -1, -1, -1), x).logsumexp(0)
    assert abs(total.item()) < 1e-9


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("image", [ImageShape(3, 1, 1, 2), ImageShape(3, 1, 1, 4), ImageShape(1, 1, 1, 6)])
@given(seed=st.integers(0, 100))
def test_samples_follow_the_probabilities(name: str, image: ImageShape, seed: int) -> None:
    """χ² of 20,000 samples against the enumerated probabilities; false alarm below 1e-6 per example."""
    if not fits(name, image):
        return
    torch.manual_seed(seed)
    likelihood = made(name, image)
    params = parameters(likelihood, 1.0)
    every = every_image(image)
    p = likelihood.log_prob(params.expand(len(every), -1, -1, -1), every).exp()
    n = 20_000
    drawn = likelihood.sample(params.expand(n, -1, -1, -1), TorchNoise())
    weights = image.levels ** torch.arange(image.dims - 1, -1, -1)
    counts = torch.bincount((drawn.flatten(1) * weights).sum(1), minlength=len(every))
    likely = p * n >= 5
    seen, due = counts[likely].double(), p[likely] * n
    rest_seen, rest_due = n - seen.sum(), n - due.sum()
    statistic = ((seen - due) ** 2 / due).sum() + ((rest_seen - rest_due) ** 2 / rest_due.clamp(min=1))
    assert statistic.item() < chi2.isf(1e-6, max(1, int(likely.sum())))


@pytest.mark.parametrize("name", NAMES)
def test_an_impossible_value_has_no_probability(name: str) -> None:
    for image in (ImageShape(1, 2, 2, 2), ImageShape(3, 2, 2, 17)):
        if not fits(name, image):
            continue
        likelihood = made(name, image)
        params = parameters(likelihood, 1.0).expand(2, -1, -1, -1)
        for wrong in (-1, image.levels):
            x = torch.zeros(2, image.channels, 2, 2, dtype=torch.long)
            x[1, 0, 1, 1] = wrong
            found = likelihood.log_prob(params, x)
            assert found[0].isfinite()
            assert found[1] == -torch.inf


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 100))
def test_the_mean_of_independent_pixels_is_the_expectation(name: str, seed: int) -> None:
    image = ImageShape(1, 1, 1, 2 if name == "bernoulli" else 6)
    torch.manual_seed(seed)
    likelihood = made(name, image)
    params = parameters(likelihood, 1.0)
    x = every_image(image)
    p = likelihood.log_prob(params.expand(len(x), -1, -1, -1), x).exp()
    found = likelihood.mean(params).item()
    assert 0 <= found <= image.levels - 1
    if name in ("bernoulli", "categorical"):
        assert abs(found - (p * x.flatten()).sum().item()) < 1e-9


@pytest.mark.parametrize("name", NAMES)
@given(seed=st.integers(0, 100), spread=st.sampled_from([1.0, 10.0]))
def test_float32_agrees_with_float64(name: str, seed: int, spread: float) -> None:
    image = ImageShape(3, 4, 4, 2 if name == "bernoulli" else 256)
    torch.manual_seed(seed)
    likelihood = made(name, image)
    params = parameters(likelihood, spread)
    x = torch.randint(0, image.levels, (1, 3, 4, 4))
    single, double = likelihood.log_prob(params.float(), x), likelihood.log_prob(params, x)
    assert torch.allclose(single.double(), double, rtol=1e-4, atol=1e-3)
