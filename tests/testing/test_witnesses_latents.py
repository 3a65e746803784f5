"""Faulty latent layers, and the laws that see them."""

import pytest
from torch import Tensor

from vaebench.contracts import Context, ImageShape, Level, Prior, Source, Term, Walk
from vaebench.distributions import DiagonalNormal, closed_form_kl
from vaebench.latents.gaussian import Gaussian
from vaebench.maths import gaussian
from vaebench.noise import Noise

from .witness import Witness, bites

Features = tuple[Tensor, ...] | None


class Forgetful(Gaussian):
    """Its terms list latents above the root, where there are none."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        walk.terms[0].above = (walk.terms[0].z,)
        return walk


class SaysCodes(Gaussian):
    """Reals under the word codes."""

    offers = frozenset({"real", "codes"})


class Skip(Gaussian):
    """A skip connection: the decoder sees the encoder past the latents."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        extra = 0.0 if features is None else features[-1].mean((1, 2, 3), keepdim=True)
        return Walk(walk.terms, tuple(f + extra for f in walk.features))


class NoTemperature(Gaussian):
    """Samples the prior by itself, whatever the source says."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        if features is not None:
            return super().walk(features, source, prior, noise, batch)
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None
        z = p.sample(noise)
        return Walk([Term(self.groups[0], z, None, p)], (z,))


class Backward(DiagonalNormal):
    """A posterior whose rate has the wrong sign."""


@closed_form_kl(Backward, DiagonalNormal)
def _backward(q: Backward, p: DiagonalNormal) -> Tensor:
    return -gaussian.kl(q.location, q.log_std, p.location, p.log_std).flatten(1).sum(1)


class WrongSign(Gaussian):
    """Its KL is logged with the wrong sign."""

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        q = super().root(features)
        return Backward(q.location, q.log_std)


class Variance(DiagonalNormal):
    """Sampled with a log standard deviation, scored with it as a log variance."""

    def log_prob(self, z: Tensor) -> Tensor:
        return gaussian.log_density(z, self.location, 0.5 * self.log_std).flatten(1).sum(1)


class LogVariance(Gaussian):
    """σ² where σ is meant."""

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        q = super().root(features)
        return Variance(q.location, q.log_std + 1)


class OtherRoot(Gaussian):
    """root() is not what the walk samples from."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        wider = None if features is None else tuple(2 * f for f in features)
        return super().walk(wider, source, prior, noise, batch)


class Crop(Gaussian):
    """Takes as many channels as it knows, and forgets the rest."""

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__(levels, image, dim=2)
        self.seen = levels[-1].channels

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        return super().root(tuple(f[:, : self.seen] for f in features))


WITNESSES = [
    Witness(
        "latent", "a walk visits every group", Forgetful, "above", "a hierarchy that conditions on itself"
    ),
    Witness("latent", "offers match the groups", SaysCodes, "offers codes", "a tag that is not true"),
    Witness(
        "latent", "given latents replay a walk", Skip, "features", "a skip connection past the bottleneck"
    ),
    Witness(
        "latent",
        "a walk follows the temperature",
        NoTemperature,
        "temperature 0",
        "a temperature that nobody reads",
    ),
    Witness("latent", "rates are KL(q‖p)", WrongSign, "is negative", "the KL logged with the wrong sign"),
    Witness(
        "latent",
        "posterior density and samples agree",
        LogVariance,
        "E_q[h",
        "a log variance taken for a log std",
    ),
    Witness("latent", "root is the first posterior", OtherRoot, "root", "a VampPrior on another posterior"),
    Witness("latent", "wrong features are refused", Crop, "was accepted", "channels cropped in silence"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)
