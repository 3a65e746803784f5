"""The values that components exchange: groups of latents, a walk through them, and per-image terms."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from vaebench.distributions import Distribution, kl
from vaebench.noise import Noise


class Level(NamedTuple):
    """The shape of one feature map: channels, height, width."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True, slots=True)
class Group:
    """One group of latents of a shape: real-valued, or codes 0 .. codes-1."""

    name: str
    shape: tuple[int, ...]
    codes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """The progress of training: steps taken, steps planned and images seen."""

    step: int
    total_steps: int
    images: int = 0
    epoch: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a prior receives to compute p(z_g | z_<g)."""

    batch: int
    above: tuple[Tensor, ...]
    """The latents of the groups above, in order; empty at the root."""
    noise: Noise
    """For priors whose log-density is itself a sampled estimate."""
    labels: Tensor | None = None
    """(B,) classes, int64, for a prior with classes; None means the mixture over all classes."""


@dataclass(slots=True)
class Term:
    """One group's term of a walk: the latent z, its posterior q and its prior p.

    The rate of real latents is KL(q‖p). The rate of codes is −log p(z), because log q = 0 (counting measure).
    """

    group: Group
    z: Tensor
    """(B, *group.shape); int64 for codes."""
    q: Distribution | None
    """The posterior; None when nothing was inferred."""
    p: Distribution
    above: tuple[Tensor, ...] = ()
    """The latents of the groups above; another prior can be evaluated with them at the same z."""
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """(B,) each: what training adds per image (codebook, commitment); not nats."""


class Source(ABC):
    """The source of a walk's latents, so that one walk serves training, scoring, sampling and replay."""

    @abstractmethod
    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        """Return the latent of group ``index``, from its posterior (None without an image) or its prior."""


class Infer(Source):
    """Draw z ~ q(z|x), for training, scoring and reconstruction."""

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        if q is None:
            raise ValueError("latents can be inferred only from an image")
        return q.sample(noise)


@dataclass(frozen=True)
class Generate(Source):
    """Draw z ~ p(z) at a temperature."""

    temperature: float = 1.0

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        return p.sample(noise, self.temperature)


@dataclass(frozen=True)
class Given(Source):
    """Use given latents, in order; draw from the prior where one is None or missing."""

    latents: Sequence[Tensor | None]
    temperature: float = 1.0

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        z = self.latents[index] if index < len(self.latents) else None
        return p.sample(noise, self.temperature) if z is None else z


class Walk(NamedTuple):
    """The result of a latent layer's walk: one term per group, root first, and features for the decoder."""

    terms: list[Term]
    features: tuple[Tensor, ...]


class Scored:
    """The per-image terms of a batch, with K samples each; objectives and scores are computed from them.

    :param distortion: (K, B), −log p(x|z) in nats per image
    :param terms: one per group; their z and distributions have batch B·K, sample k of image b at row b·K + k
    """

    def __init__(self, distortion: Tensor, terms: list[Term]) -> None:
        self.distortion = distortion
        self.terms = terms
        self._kl: Tensor | None = None

    def _rows(self, per_row: Tensor) -> Tensor:
        samples, batch = self.distortion.shape
        return per_row.reshape(batch, samples).T

    def kl(self) -> Tensor:
        """Compute each group's rate, (G, K, B) nats per image: in closed form, or else at the sample."""
        if self._kl is None:
            rows = [self._rows(kl(t.q, t.p, t.z)) for t in self.terms]
            self._kl = torch.stack(rows) if rows else self.distortion.new_zeros(0, *self.distortion.shape)
        return self._kl

    def elbo(self) -> Tensor:
        """Compute the evidence lower bound, the mean over the samples: (B,) nats per image."""
        return -(self.distortion + self.kl().sum(0)).mean(0)

    def log_ratio(self) -> Tensor:
        """Compute log q(z|x) − log p(z) at the samples, summed over groups: (K, B) nats per image."""
        total = torch.zeros_like(self.distortion)
        for t in self.terms:
            assert t.q is not None
            total = total + self._rows(t.q.log_prob(t.z) - t.p.log_prob(t.z))
        return total

    def log_weights(self) -> Tensor:
        """Compute log p(x,z) − log q(z|x), the log importance weights of IWAE: (K, B) nats per image."""
        return -self.distortion - self.log_ratio()

    def penalties(self) -> dict[str, Tensor]:
        """Sum the latent layer's penalties over groups, by name: (K, B) each."""
        sums: dict[str, Tensor] = {}
        for t in self.terms:
            for name, value in t.penalties.items():
                sums[name] = sums[name] + self._rows(value) if name in sums else self._rows(value)
        return sums
