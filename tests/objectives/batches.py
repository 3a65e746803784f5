"""Batches of per-image terms to score, of reals in several groups and of codes, all in float64."""

import torch

from vaebench.contracts import Group, ImageShape, Scored, Term
from vaebench.distributions import Codes, DiagonalNormal, StandardNormal

from ..fakes.codes import CategoricalCodes, K

IMAGE = ImageShape(1, 2, 2)
GROUPS = (Group("a", (2,)), Group("b", (3,)))
CODES = (Group("codes", (2, 2), codes=K),)


def reals(seed: int, samples: int = 1, batch: int = 4, groups: tuple[Group, ...] = GROUPS) -> Scored:
    """Normal posteriors with trainable moments, z drawn from them, under a standard normal."""
    torch.manual_seed(seed)
    terms = []
    for group in groups:
        shape = (samples * batch, *group.shape)
        mean, log_std, eps = torch.randn(3, *shape, dtype=torch.float64)
        q = DiagonalNormal(mean.requires_grad_(), log_std.requires_grad_())
        p = StandardNormal(torch.zeros(shape, dtype=torch.float64))
        terms.append(Term(group, q.location + q.log_std.exp() * eps, q, p))
    return Scored((50 * torch.rand(samples, batch).double()).requires_grad_(), terms)


def codes(seed: int, batch: int = 4) -> Scored:
    """Codes inferred with certainty, under a prior that is trained."""
    torch.manual_seed(seed)
    group = CODES[0]
    z = torch.randint(0, K, (batch, *group.shape))
    p = CategoricalCodes(torch.randn(batch, K, *group.shape, dtype=torch.float64).requires_grad_())
    return Scored((50 * torch.rand(1, batch).double()).requires_grad_(), [Term(group, z, Codes(z), p)])


def nothing(seed: int, batch: int = 4) -> Scored:
    """No latents at all."""
    torch.manual_seed(seed)
    return Scored((50 * torch.rand(1, batch).double()).requires_grad_(), [])
