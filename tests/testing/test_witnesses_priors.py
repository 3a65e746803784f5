"""Faulty priors, and the laws that see them."""

import math
from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Prior
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.maths import gaussian
from vaebench.noise import Noise
from vaebench.priors.normal import Normal

from ..fakes.codes import CategoricalCodes, CodePrior
from .witness import Witness, bites

Features = tuple[Tensor, ...] | None


class OneEquals(Distribution):
    """A mixture of normals at ±1 of log variance v: one parenthesis too many around log σ²."""

    def __init__(self, log_var: Tensor, batch: int, shape: tuple[int, ...]) -> None:
        self.log_var, self.size = log_var, (batch, *shape)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        like = torch.empty(self.size, dtype=self.log_var.dtype)
        side = (noise.uniform(like) < 0.5).to(like) * 2 - 1
        return side + temperature * (0.5 * self.log_var).exp() * noise.normal(like)

    def log_prob(self, z: Tensor) -> Tensor:
        each = [
            -0.5 * (math.log(2 * math.pi) + self.log_var + (z - m).square()) / self.log_var.exp()
            for m in (-1, 1)
        ]
        return (torch.stack(each).logsumexp(0) - math.log(2)).flatten(1).sum(1)


class Parenthesis(Prior):
    """−½(log 2π + log σ² + (z−μ)²)/σ² where −½(log 2π + log σ² + (z−μ)²/σ²) is meant."""

    needs: ClassVar = {"latent": frozenset({"real"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.shape = groups[0].shape
        self.log_var = nn.Parameter(torch.tensor(-1.0))

    def at(self, group: int, context: Context) -> Distribution | None:
        return OneEquals(self.log_var, context.batch, self.shape) if group == 0 else None


class BothWays(CategoricalCodes):
    """Each code's logits see the codes on both sides of it."""

    def log_prob(self, z: Tensor) -> Tensor:
        seen = z.roll(1, -1) + z.roll(-1, -1)
        shifted = self.logits + F.one_hot(seen % self.logits.shape[1], self.logits.shape[1]).movedim(-1, 1)
        return shifted.log_softmax(1).gather(1, z.unsqueeze(1)).flatten(1).sum(1)


class Unmasked(CodePrior):
    """A prior over codes without masks."""

    def at(self, group: int, context: Context) -> Distribution:
        found = super().at(group, context)
        assert isinstance(found, CategoricalCodes)
        return BothWays(found.logits)


class Greedy(Normal):
    """Says that it covers the root, and rules every group."""

    def at(self, group: int, context: Context) -> Distribution | None:
        return super().at(0, context)


class Centred(DiagonalNormal):
    """Its density is of z less the batch's mean."""

    def log_prob(self, z: Tensor) -> Tensor:
        return super().log_prob(z - z.mean(0, keepdim=True))


class BatchCentred(Normal):
    """A density that depends on the batch."""

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return Centred(p.location, p.log_std) if isinstance(p, DiagonalNormal) else p


class Loose(DiagonalNormal):
    """No check of shapes."""

    def log_prob(self, z: Tensor) -> Tensor:
        return gaussian.log_density(z, self.location, self.log_std).flatten(1).sum(1)


class Broadcasting(Normal):
    """Latents of another shape broadcast: ours, until this law was written."""

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return Loose(p.location, p.log_std) if isinstance(p, DiagonalNormal) else p


WITNESSES = [
    Witness(
        "prior",
        "density integrates to one",
        Parenthesis,
        "integral",
        "exp of the wrong thing: log σ² parenthesised",
    ),
    Witness(
        "prior",
        "probabilities of codes sum to one",
        Unmasked,
        "probabilities",
        "a prior over codes without masks",
    ),
    Witness(
        "prior",
        "the prior covers the groups it declares",
        Greedy,
        "covers the root",
        "a prior that rules more than it says",
    ),
    Witness(
        "prior",
        "latents do not depend on the batch",
        BatchCentred,
        "row 4",
        "statistics of the batch in a density",
    ),
    Witness("prior", "wrong latents are refused", Broadcasting, "(2, 3, 1, 1) is expected", "broadcasting"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)
