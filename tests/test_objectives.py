"""The ELBO objective: its weight, its free bits, and its bound."""

import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.contracts import Group, ImageShape, Progress, Scored, Term
from vaebench.distributions import DiagonalNormal, StandardNormal
from vaebench.objectives.elbo import Elbo

GROUPS = (Group("a", (2,)), Group("b", (3,)))
IMAGE = ImageShape(1, 2, 2)


def scored(seed: int, samples: int = 1, batch: int = 4) -> Scored:
    torch.manual_seed(seed)
    terms = []
    for group in GROUPS:
        shape = (samples * batch, *group.shape)
        q = DiagonalNormal(torch.randn(shape).double(), torch.randn(shape).double())
        terms.append(Term(group, q.location, q, StandardNormal(torch.zeros(shape).double())))
    return Scored(torch.rand(samples, batch).double() * 50, terms)


@given(st.integers(0, 1000), st.integers(1, 3), st.floats(0, 1), st.integers(0, 30))
def test_warm_up_weighs_the_rate(seed: int, samples: int, warmup: float, step: int) -> None:
    one = scored(seed, samples)
    weight = 1.0 if warmup == 0 else min(1.0, step / max(1.0, warmup * 20))
    found = Elbo(GROUPS, IMAGE, warmup=warmup)(one, Progress(step, 20))
    expected = (one.distortion + weight * one.kl().sum(0)).mean(0)
    assert torch.allclose(found, expected)
    if weight == 1:
        assert torch.allclose(found, -one.elbo())


@given(st.integers(0, 1000), st.floats(0.01, 20))
def test_free_bits_floor_each_groups_mean_and_stop_its_gradient(seed: int, floor: float) -> None:
    one = scored(seed)
    for term in one.terms:
        term.q.location.requires_grad_()
    loss = Elbo(GROUPS, IMAGE, warmup=0.0, free_bits=floor)(one, Progress(0, 1)).mean()
    means = one.kl().mean((1, 2))
    assert torch.allclose(loss, one.distortion.mean() + means.clamp(min=floor).sum())
    loss.backward()
    for term, mean in zip(one.terms, means, strict=True):
        assert (term.q.location.grad.abs().sum() > 0) == bool(mean >= floor)
