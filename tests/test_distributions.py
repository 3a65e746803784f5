"""Distributions over latents: draws from given noise, densities and rates against their definitions."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench.distributions import Codes, DiagonalNormal, Distribution, StandardNormal, UniformCodes, kl
from vaebench.maths import gaussian
from vaebench.noise import GivenNoise, Noise, TorchNoise

SHAPES = st.lists(st.integers(1, 3), min_size=2, max_size=4).map(tuple)
SEEDS = st.integers(0, 10**6)


def normal(shape: tuple[int, ...]) -> DiagonalNormal:
    return DiagonalNormal(*torch.randn(2, *shape).double())


@given(SHAPES, SEEDS, st.floats(0, 3))
def test_temperature_multiplies_the_spread(shape: tuple[int, ...], seed: int, temperature: float) -> None:
    torch.manual_seed(seed)
    p, eps = normal(shape), torch.randn(shape).double()
    found = p.sample(GivenNoise([eps]), temperature)
    assert torch.allclose(found, p.location + temperature * p.log_std.exp() * eps, rtol=1e-12, atol=1e-12)
    standard = StandardNormal(torch.zeros(shape).double())
    assert torch.equal(standard.sample(GivenNoise([eps]), temperature), temperature * eps)
    for each in (p, standard):
        assert torch.equal(each.sample(GivenNoise([eps])), each.sample(GivenNoise([eps]), 1.0))
        assert torch.equal(each.mean, each.sample(GivenNoise([eps]), 0.0)), "no spread: the mean"


@given(SHAPES, SEEDS)
def test_densities_and_rates_are_sums_over_a_group(shape: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    q, p, z = normal(shape), normal(shape), torch.randn(shape).double()
    over = tuple(range(1, len(shape)))
    standard = StandardNormal(torch.zeros(shape).double())
    plain = DiagonalNormal(torch.zeros(shape).double(), torch.zeros(shape).double())
    due = torch.distributions.Normal(q.location, q.log_std.exp()).log_prob(z).sum(over)
    assert torch.allclose(q.log_prob(z), due, rtol=1e-12, atol=1e-10)
    assert torch.allclose(standard.log_prob(z), plain.log_prob(z), rtol=1e-12)
    rate = gaussian.kl(q.location, q.log_std, p.location, p.log_std).sum(over)
    assert torch.allclose(kl(q, p, z), rate, rtol=1e-12, atol=1e-12)
    assert torch.allclose(kl(q, standard, z), kl(q, plain, z), rtol=1e-12, atol=1e-12)
    assert torch.allclose(kl(standard, p, z), kl(plain, p, z), rtol=1e-12, atol=1e-12)


class Opaque(Distribution):
    """A normal whose type no closed form knows."""

    def __init__(self, inner: DiagonalNormal) -> None:
        self.inner = inner

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return self.inner.sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.inner.log_prob(z)


@given(SHAPES, SEEDS)
def test_a_pair_without_a_closed_form_is_rated_at_the_sample(shape: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    q, p, z = normal(shape), normal(shape), torch.randn(shape).double()
    for a, b in ((Opaque(q), p), (q, Opaque(p))):
        assert torch.equal(kl(a, b, z), q.log_prob(z) - p.log_prob(z))
    assert Opaque(q).mean is None
    with pytest.raises(ValueError, match="a rate needs a posterior"):
        kl(None, p, z)


@settings(max_examples=40)
@given(SHAPES, SEEDS, st.sampled_from([torch.bfloat16, torch.float16, torch.float32, torch.float64]))
def test_rates_of_half_precision_moments_are_float32(
    shape: tuple[int, ...], seed: int, dtype: torch.dtype
) -> None:
    """And no other precision is changed."""
    torch.manual_seed(seed)
    moments = torch.randn(2, *shape).to(dtype)
    due = torch.float64 if dtype == torch.float64 else torch.float32
    q, same = DiagonalNormal(*moments), DiagonalNormal(*moments.to(due))
    zeros = StandardNormal(torch.zeros(shape, dtype=dtype))
    z = torch.zeros(shape, dtype=dtype)
    assert q.location.dtype == q.log_std.dtype == zeros.log_prob(z).dtype == due
    assert torch.equal(q.log_prob(z), same.log_prob(z))
    assert torch.equal(kl(q, zeros, z), kl(same, zeros, z))


@given(SHAPES, SEEDS, st.integers(2, 5))
def test_codes_are_certain_of_all_their_places(shape: tuple[int, ...], seed: int, count: int) -> None:
    torch.manual_seed(seed)
    codes = torch.randint(count, shape)
    z = torch.where(torch.rand(shape) < 0.2, torch.randint(count, shape), codes)
    same = torch.tensor([torch.equal(a, b) for a, b in zip(codes, z, strict=True)])
    found = Codes(codes).log_prob(z)
    assert torch.equal(found, torch.where(same, 0.0, -torch.inf))
    assert torch.equal(Codes(codes).sample(GivenNoise([])), codes)
    with pytest.raises(ValueError, match=r"where .* is expected"):
        Codes(codes).log_prob(codes[..., None])


@given(SHAPES, SEEDS, st.integers(1, 5))
def test_uniform_codes_exist_within_their_range_alone(shape: tuple[int, ...], seed: int, count: int) -> None:
    torch.manual_seed(seed)
    p = UniformCodes(torch.zeros(shape).double(), count)
    z = torch.randint(count, shape)
    places = z[0].numel()
    assert torch.allclose(p.log_prob(z).exp(), torch.tensor(float(count)).double() ** -places)
    for wrong in (-1, count):
        one = z.clone()
        one[-1].flatten()[-1:].fill_(wrong)
        assert p.log_prob(one)[-1] == -torch.inf
        assert torch.equal(p.log_prob(one)[:-1], p.log_prob(z)[:-1]), "an image beside it"


@given(seed=st.integers(0, 2**32), shape=st.tuples(*[st.integers(1, 4)] * 3))
def test_rates_of_channels_last_latents_are_the_same_and_their_gradients_are_channels_last(
    seed: int, shape: tuple[int, int, int]
) -> None:
    torch.manual_seed(seed)
    moments = [torch.randn(3, *shape, dtype=torch.float64) for _ in range(4)]
    grads = []
    for memory_format in (torch.contiguous_format, torch.channels_last):
        given_ = [m.clone(memory_format=memory_format).requires_grad_() for m in moments]
        q, p = DiagonalNormal(*given_[:2]), DiagonalNormal(*given_[2:])
        rate = kl(q, p, q.sample(TorchNoise()))
        found = torch.autograd.grad((rate * torch.arange(3)).sum(), given_)
        assert all(g.is_contiguous(memory_format=memory_format) for g in found)
        grads.append((rate, *found))
    for one, other in zip(*grads, strict=True):
        assert torch.allclose(one, other, rtol=1e-12, atol=1e-12)
