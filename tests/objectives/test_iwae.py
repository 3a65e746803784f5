"""The importance-weighted bound: its value, its order in K by exact enumeration, and its gradient."""

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench import registry
from vaebench.composing.resolve import check_fit
from vaebench.contracts import Group, Progress, Scored, Term
from vaebench.distributions import DiagonalNormal, StandardNormal
from vaebench.errors import UsageError
from vaebench.maths import gaussian
from vaebench.objectives.iwae import Iwae

from ..fakes.codes import CategoricalCodes, FlatCodes, K
from .batches import GROUPS, IMAGE, reals

seeds = st.integers(0, 1000)
ANY = Progress(0, 1)
ONE_CODE = (Group("c", (1,), codes=K),)


@given(seeds, st.integers(1, 6))
def test_one_sample_is_the_bound_at_the_sample_and_more_are_tighter(seed: int, samples: int) -> None:
    one = reals(seed, samples)
    loss = Iwae(GROUPS, IMAGE, samples=samples)(one, ANY)
    weights = one.log_weights()
    assert torch.allclose(loss, -weights.exp().mean(0).log(), rtol=1e-9)
    assert (loss <= -weights.mean(0) + 1e-9).all(), "Jensen: never looser than the ELBO at the samples"
    if samples == 1:
        ratio = sum(t.q.log_prob(t.z) - t.p.log_prob(t.z) for t in one.terms)
        assert torch.allclose(loss, one.distortion[0] + ratio)


def every_draw(log_q: Tensor, log_p: Tensor, log_x: Tensor, samples: int) -> tuple[Scored, Tensor]:
    """One image per way to draw K codes of three, and how likely each way is under q."""
    ways = torch.tensor(list(itertools.product(range(K), repeat=samples)))
    z = ways.reshape(-1, 1)
    q, p = (CategoricalCodes(logits.expand(len(z), K)[..., None]) for logits in (log_q, log_p))
    scored = Scored(-log_x[ways].T, [Term(ONE_CODE[0], z, q, p)])
    return scored, log_q.log_softmax(0)[ways].sum(1).exp()


@given(seeds, st.floats(0.1, 4))
def test_expected_bounds_rise_with_samples_to_the_evidence(seed: int, spread: float) -> None:
    """E over every draw of a three-valued latent, exactly: L_1 <= L_2 <= ... <= log p(x)."""
    torch.manual_seed(seed)
    log_q, log_p, log_x = spread * torch.randn(3, K, dtype=torch.float64)
    evidence = (log_p.log_softmax(0) + log_x).logsumexp(0).item()
    bounds = []
    for samples in (1, 2, 3, 4):
        scored, chance = every_draw(log_q, log_p, log_x, samples)
        bounds.append(-(chance * Iwae(ONE_CODE, IMAGE, samples=samples)(scored, ANY)).sum().item())
    assert all(a <= b + 1e-9 for a, b in itertools.pairwise([*bounds, evidence])), bounds
    exact, _ = every_draw(log_p.log_softmax(0) + log_x, log_p, log_x, 3)
    at_truth = Iwae(ONE_CODE, IMAGE, samples=3)(exact, ANY)
    assert torch.allclose(at_truth, torch.full_like(at_truth, -evidence)), "the true posterior's is exact"


def linear_gaussian(samples: int, batch: int, off: float) -> tuple[Scored, float]:
    """z ~ N(0, 1), x = 1.5 z + N(0, 0.5²) at x = 2, with a posterior that is off: terms, and log p(x)."""
    a, s, x = 1.5, 0.5, 2.0
    variance = 1 / (1 + a**2 / s**2)
    shape = (samples * batch, 1)
    mean = torch.full(shape, variance * a * x / s**2 + off, dtype=torch.float64)
    q = DiagonalNormal(mean, torch.full(shape, variance).double().log() / 2)
    z = mean + variance**0.5 * torch.randn(shape, dtype=torch.float64)
    seen, zero = torch.tensor(x, dtype=torch.float64), torch.zeros(()).double()
    log_x = gaussian.log_density(seen, a * z[:, 0], zero + math.log(s))
    term = Term(Group("z", (1,)), z, q, StandardNormal(torch.zeros(shape).double()))
    evidence = gaussian.log_density(seen, zero, zero + math.log(a**2 + s**2) / 2).item()
    return Scored(-log_x.reshape(batch, samples).T, [term]), evidence


@given(seeds, st.floats(0, 0.4))
@hypothesis_settings(max_examples=10)
def test_it_nears_a_known_evidence_from_below(seed: int, off: float) -> None:
    """E L_1 = log p(x) − KL(q‖posterior); L_20 lies between; within six standard errors."""
    torch.manual_seed(seed)
    bounds = []
    for samples in (1, 20):
        scored, evidence = linear_gaussian(samples, 3000, off)
        bounds.append(-Iwae((Group("z", (1,)),), IMAGE, samples=samples)(scored, ANY))
    one, twenty = (b.mean().item() for b in bounds)
    error_1, error_20 = (6 * b.std().item() / 3000**0.5 + 1e-9 for b in bounds)
    gap = off**2 / 2 * (1 + 1.5**2 / 0.5**2)
    assert abs(one - (evidence - gap)) <= error_1
    assert evidence - gap - error_20 <= twenty <= evidence + error_20
    if gap > 0.1:
        assert twenty > evidence - gap / 2, "twenty samples close most of it"


@given(seeds, st.integers(1, 5))
def test_the_gradient_weighs_samples_by_their_normalised_weights(seed: int, samples: int) -> None:
    one = reals(seed, samples)
    weights = one.log_weights()
    moments = [m for t in one.terms for m in (t.q.location, t.q.log_std)]
    inputs = [one.distortion, *moments]
    found = torch.autograd.grad(
        Iwae(GROUPS, IMAGE, samples=samples)(one, ANY).sum(), inputs, retain_graph=True
    )
    surrogate = -(weights.softmax(0).detach() * weights).sum()
    expected = torch.autograd.grad(surrogate, inputs)
    assert all(torch.allclose(f, e, rtol=1e-8) for f, e in zip(found, expected, strict=True))
    assert torch.allclose(found[0], weights.softmax(0))


def test_the_gradient_is_the_finite_difference() -> None:
    group = (Group("z", (2,)),)
    eps, mean, log_std = torch.randn(3, 6, 2, dtype=torch.float64)

    def loss(m: Tensor, s: Tensor) -> Tensor:
        z = m + s.exp() * eps
        term = Term(group[0], z, DiagonalNormal(m, s), StandardNormal(torch.zeros_like(z)))
        distortion = (z - 1).square().sum(1).reshape(2, 3).T
        return Iwae(group, IMAGE, samples=3)(Scored(distortion, [term]), ANY)

    assert torch.autograd.gradcheck(loss, (mean.requires_grad_(), log_std.requires_grad_()))


def test_codes_alone_are_refused_in_one_line() -> None:
    known = registry.load()
    with pytest.raises(UsageError, match="obj=iwae does not fit latent=codes: it needs real;") as said:
        check_fit({"obj": Iwae, "latent": FlatCodes}, {"obj": "iwae", "latent": "codes"}, IMAGE, known)
    assert "\n" not in str(said.value)
