"""Priors and posteriors over reals whose densities exist only at samples, or as mixtures of posteriors."""

import math
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor, nn

from vaebench.contracts import (
    Context,
    Decoder,
    Group,
    ImageShape,
    Latent,
    Level,
    Output,
    Prior,
    Source,
    Term,
    Walk,
)
from vaebench.distributions import DiagonalNormal, Distribution, StandardNormal
from vaebench.noise import Noise


class MixtureOfPosteriors(Distribution):
    """(1/K) Σ q(z|u_k), for a batch that shares the components."""

    def __init__(self, components: DiagonalNormal, batch: int) -> None:
        self.components = components
        self.batch = batch

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        count = len(self.components.location)
        u = noise.uniform(self.components.location.new_empty(self.batch, 1)).flatten()
        pick = (u * count).long().clamp(max=count - 1)
        picked = DiagonalNormal(self.components.location[pick], self.components.log_std[pick])
        return picked.sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        k, shape = len(self.components.location), self.components.location.shape[1:]
        if z.shape[1:] != shape:
            raise ValueError(f"latents of {tuple(z.shape)} where {(self.batch, *shape)} is expected")
        each = [
            DiagonalNormal(m.expand_as(z), s.expand_as(z)).log_prob(z)
            for m, s in zip(self.components.location.split(1), self.components.log_std.split(1), strict=True)
        ]
        return torch.stack(each).logsumexp(0) - math.log(k)


class Vamp(Prior):
    """``prior=vamp``: the posterior at learned pseudo-images, at the root."""

    needs: ClassVar = {"latent": frozenset({"real", "density"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.pseudo = nn.Parameter(
            torch.rand(2, image.channels, image.height, image.width) * (image.levels - 1)
        )
        self.posterior: Callable[[Tensor], Distribution] | None = None

    def bind(self, posterior: Callable[[Tensor], Distribution]) -> None:
        self.posterior = posterior

    def at(self, group: int, context: Context) -> Distribution | None:
        if group > 0:
            return None
        assert self.posterior is not None
        components = self.posterior(self.pseudo)
        assert isinstance(components, DiagonalNormal)
        return MixtureOfPosteriors(components, context.batch)


class FlowPosterior(Distribution):
    """z = μ + σε, then z₁ += f(z₀): its density is known at its own samples only."""

    def __init__(self, base: DiagonalNormal, weight: Tensor) -> None:
        self.base, self.weight = base, weight
        self.drawn: tuple[Tensor, Tensor] | None = None

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        start = self.base.sample(noise, temperature)
        z = torch.cat([start[:, :1], start[:, 1:] + self.weight * start[:, :1].tanh()], 1)
        self.drawn = (z, self.base.log_prob(start))
        return z

    def log_prob(self, z: Tensor) -> Tensor:
        if self.drawn is None or z is not self.drawn[0]:
            raise ValueError("this posterior's density is known at its own samples only")
        return self.drawn[1]


class FlowLatent(Latent):
    """A posterior flow: real, without ``density``, so that no VampPrior is put on it."""

    offers = frozenset({"real", "single"})

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        channels, h, w = levels[-1]
        self.moments = nn.Conv2d(channels, 4, 1)
        self.weight = nn.Parameter(torch.ones(()))
        self.groups = (Group("z", (2, h, w)),)
        self.out = (Level(2, h, w),)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        q = None
        if features is not None:
            q = FlowPosterior(DiagonalNormal(*self.moments(features[-1]).chunk(2, 1)), self.weight)
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None
        z = source.pick(0, q, p, noise)
        return Walk([Term(self.groups[0], z, q, p)], (z,))


class EstimatedPrior(Distribution):
    """p(z) = E_ζ N(z; ζ, 1), ζ ~ N(0, 1), its density estimated from one shared ζ per image."""

    exact = False

    def __init__(self, zeta: Tensor) -> None:
        self.given = DiagonalNormal(zeta, torch.zeros_like(zeta))

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return self.given.sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        return self.given.log_prob(z)


class LearnedHierarchy(Prior):
    """A hierarchical prior p(z) = ∫ p(z|ζ)p(ζ)dζ: asks for noise to estimate itself."""

    needs: ClassVar = {"latent": frozenset({"real"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(1, *groups[0].shape))

    def at(self, group: int, context: Context) -> Distribution | None:
        if group > 0:
            return None
        like = self.scale.expand(context.batch, *self.scale.shape[1:])
        return EstimatedPrior(self.scale * StandardNormal(torch.zeros_like(like)).sample(context.noise))


class RowDecoder(Decoder):
    """``dec=pixelcnn``: each pixel sees z and the rows above it, in x while scoring, drawn while sampling."""

    offers = frozenset({"autoregressive"})

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        self.image, self.width = image, 4
        self.of_z = nn.Conv2d(levels[0].channels, self.width, 1)
        self.of_x = nn.Conv2d(image.channels, self.width, 1)

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        assert x is not None
        seen = x.to(self.of_x.weight.dtype) * (2 / (self.image.levels - 1)) - 1
        above = nn.functional.pad(seen, (0, 0, 1, 0))[:, :, :-1]
        size = (self.image.height, self.image.width)
        return nn.functional.interpolate(self.of_z(features[0]), size=size) + self.of_x(above)

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        image = self.image
        x = torch.zeros(len(features[0]), image.channels, image.height, image.width, dtype=torch.long)
        for row in range(image.height):
            drawn = output.likelihood.sample(output.parameters_of(self(features, x)), noise)
            x[:, :, row] = drawn[:, :, row]
        return x

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        return self.sample(features, output, noise).double()
