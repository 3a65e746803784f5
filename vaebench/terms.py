"""What travels between parts: groups of latents, a walk through them, and the per-image terms it yields."""

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
    """One group of latents: reals of ``shape``, or codes 0 .. codes-1 of ``shape``."""

    name: str
    shape: tuple[int, ...]
    codes: int | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far training is: steps taken of steps planned, and images seen."""

    step: int
    total_steps: int
    images: int = 0
    epoch: float = 0.0


@dataclass(frozen=True, slots=True)
class Context:
    """What a prior may know when it is asked for p(z_g | z_<g)."""

    batch: int
    above: tuple[Tensor, ...]
    """The latents of the groups above, in order; empty at the root."""
    noise: Noise
    """For priors whose log-density is itself a sampled estimate."""
    labels: Tensor | None = None
    """(B,) classes, int64, while a prior that asks for them is fitted or sampled; None: over all classes."""


@dataclass(slots=True)
class Term:
    """One group's part of a walk: the latent z, where it came from, and what the prior says of it.

    For reals, KL(q‖p) is the rate; for codes log q = 0 (counting measure) and −log p(z) is the rate.
    """

    group: Group
    z: Tensor
    """(B, *group.shape); int64 for codes."""
    q: Distribution | None
    """The posterior; None when nothing was inferred."""
    p: Distribution
    above: tuple[Tensor, ...] = ()
    """What the prior was told: enough to ask another prior about the same z."""
    penalties: dict[str, Tensor] = field(default_factory=dict)
    """(B,) each: what training adds per image (codebook, commitment). Never nats."""


class Source(ABC):
    """Where the latents of a walk come from; one walk serves training, scoring, sampling and replay."""

    @abstractmethod
    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        """The latent of group ``index``, given its posterior (None without an image) and prior."""


class Infer(Source):
    """z ~ q(z|x): training, scoring, reconstruction."""

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        if q is None:
            raise ValueError("latents can be inferred only from an image")
        return q.sample(noise)


@dataclass(frozen=True)
class Generate(Source):
    """z ~ p(z), its spread multiplied by the temperature."""

    temperature: float = 1.0

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        return p.sample(noise, self.temperature)


@dataclass(frozen=True)
class Given(Source):
    """The latents given, in order; where None, or past their end, drawn from the prior."""

    latents: Sequence[Tensor | None]
    temperature: float = 1.0

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        z = self.latents[index] if index < len(self.latents) else None
        return p.sample(noise, self.temperature) if z is None else z


class Walk(NamedTuple):
    """What a latent layer's walk yields: one term per group, root first, and features for the decoder."""

    terms: list[Term]
    features: tuple[Tensor, ...]


class Scored:
    """The per-image terms of a batch, K samples each, from which every objective and score is made.

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
        """(G, K, B) rate of each group, nats per image: closed form where known, else at the sample."""
        if self._kl is None:
            rows = [self._rows(kl(t.q, t.p, t.z)) for t in self.terms]
            self._kl = torch.stack(rows) if rows else self.distortion.new_zeros(0, *self.distortion.shape)
        return self._kl

    def elbo(self) -> Tensor:
        """(B,) the evidence lower bound, mean over the samples, nats per image."""
        return -(self.distortion + self.kl().sum(0)).mean(0)

    def log_ratio(self) -> Tensor:
        """(K, B) log q(z|x) − log p(z) at the samples, all groups, nats per image."""
        total = torch.zeros_like(self.distortion)
        for t in self.terms:
            assert t.q is not None
            total = total + self._rows(t.q.log_prob(t.z) - t.p.log_prob(t.z))
        return total

    def log_weights(self) -> Tensor:
        """(K, B) log p(x,z) − log q(z|x), nats per image: the importance weights of IWAE."""
        return -self.distortion - self.log_ratio()

    def penalties(self) -> dict[str, Tensor]:
        """(K, B) each: the sums over groups of what the latent layer adds per image."""
        sums: dict[str, Tensor] = {}
        for t in self.terms:
            for name, value in t.penalties.items():
                sums[name] = sums[name] + self._rows(value) if name in sums else self._rows(value)
        return sums
