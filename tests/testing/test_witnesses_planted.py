"""Mistakes planted in copies of built-in parts, and the laws that see them at the default effort."""

import math
from typing import Annotated, Literal

import pytest
import torch
from msgspec import Meta
from torch import Tensor

from vaebench.blocks.codebook import Codebook, GradientCodebook
from vaebench.contracts import (
    Context,
    Group,
    ImageShape,
    Level,
    Output,
    Progress,
    Scored,
)
from vaebench.decoders.conv import Conv as ConvDecoder
from vaebench.distributions import DiagonalNormal, Distribution, StandardNormal, closed_form_kl
from vaebench.encoders.conv import Conv
from vaebench.latents.codes import Grid
from vaebench.latents.ema_vq import EmaVq
from vaebench.latents.gaussian import Gaussian
from vaebench.latents.topdown import TopDown, TopDownBlock
from vaebench.latents.vq import Vq
from vaebench.likelihoods.logistic import Logistic
from vaebench.likelihoods.logistic_mixture import LogisticMixture
from vaebench.maths import gaussian, logistic
from vaebench.noise import Noise
from vaebench.objectives.beta import Beta
from vaebench.objectives.capacity import Capacity
from vaebench.objectives.elbo import Elbo
from vaebench.objectives.iwae import Iwae
from vaebench.objectives.schedule import risen
from vaebench.priors.mixture import NormalMixture
from vaebench.priors.mog import Mog
from vaebench.priors.normal import Normal
from vaebench.priors.pixelcnn import EitherClass, PixelCnn, RasterCodes
from vaebench.priors.vamp import Vamp

from .witness import Witness, bites

Features = tuple[Tensor, ...] | None


class FloorlessMixture(LogisticMixture):
    """min_log_scale does nothing."""

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        self.min_log_scale = -20.0
        return super()._split(params)


class Floorless(Logistic):
    """min_log_scale does nothing."""

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = params.unflatten(1, (self.image.channels, 2)).unbind(2)
        return mean, log_scale.clamp(min=-7.0)


class _Coupled(LogisticMixture):
    """The mixture with a faulty sampler: the shift of colour c from the colours before it."""

    def shift(self, c: int, earlier: list[Tensor], coefficients: Tensor) -> Tensor:
        raise NotImplementedError

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        logits, mean, log_scale, coefficients = self._split(params)
        gumbel = -torch.log(-torch.log(noise.uniform(logits)))
        pick = (logits + gumbel).argmax(1)[:, None, None].expand(-1, self.image.channels, -1, -1, -1)
        mean, log_scale = (t.gather(2, pick).squeeze(2) for t in (mean, log_scale))
        drawn = mean + logistic.icdf(noise.uniform(mean), torch.zeros_like(mean), log_scale)
        levels = self.image.levels
        if coefficients is None:
            return logistic.from_unit(drawn, levels)
        coefficients = coefficients.gather(2, pick).squeeze(2)
        colours: list[Tensor] = []
        for c in range(3):
            seen = [logistic.to_unit(colour.to(mean.dtype), levels) for colour in colours]
            shift = self.shift(c, seen, coefficients) if c else torch.zeros_like(mean[:, 0])
            colours.append(logistic.from_unit(drawn[:, c] + shift, levels))
        return torch.stack(colours, dim=1)


class SwappedColours(_Coupled):
    """Blue takes the coefficients of red and green the other way round, in samples."""

    def shift(self, c: int, earlier: list[Tensor], coefficients: Tensor) -> Tensor:
        if c == 1:
            return coefficients[:, 0] * earlier[0]
        return coefficients[:, 2] * earlier[0] + coefficients[:, 1] * earlier[1]


class BlueAlone(_Coupled):
    """Blue does not see red, in samples."""

    def shift(self, c: int, earlier: list[Tensor], coefficients: Tensor) -> Tensor:
        return coefficients[:, 0 if c == 1 else 2] * earlier[-1]


class UncoupledMean(LogisticMixture):
    """The mean leaves out how colours are coupled."""

    def mean(self, params: Tensor) -> Tensor:
        logits, mean, log_scale, _ = self._split(params)
        each = logistic.expectation(mean, log_scale, self.image.levels)
        return (logits.softmax(1).unsqueeze(1) * each).sum(2)


class WarmRaster(RasterCodes):
    """No temperature where there is a condition."""

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return super().sample(noise, temperature if self.condition is None else 1.0)


class ColdClasses(PixelCnn):
    """The temperature is ignored for conditioned codes."""

    def at(self, group: int, context: Context) -> Distribution:
        p = super().at(group, context)
        return WarmRaster(p.net, p.condition, p.batch) if isinstance(p, RasterCodes) else p


class FirstClass(EitherClass):
    """Samples are always of class 0."""

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        noise.uniform(self.like)
        return self.given(torch.zeros(len(self.like), dtype=torch.long)).sample(noise, temperature)


class OneClass(PixelCnn):
    """Draws of one class where all are as likely."""

    def at(self, group: int, context: Context) -> Distribution:
        p = super().at(group, context)
        return FirstClass(p.given, p.classes, p.like) if isinstance(p, EitherClass) else p


class SumOfClasses(EitherClass):
    """log Σ p(z|y) without the 1/Y."""

    def log_prob(self, z: Tensor) -> Tensor:
        return super().log_prob(z) + math.log(self.classes)


class Unaveraged(PixelCnn):
    """The classes' densities are added, not averaged."""

    def at(self, group: int, context: Context) -> Distribution:
        p = super().at(group, context)
        return SumOfClasses(p.given, p.classes, p.like) if isinstance(p, EitherClass) else p


class AtOne(StandardNormal):
    """No temperature."""

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return noise.normal(self.location)


class NoHeat(Normal):
    """Its samples are of temperature 1, whatever is asked."""

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return AtOne(p.location) if isinstance(p, StandardNormal) else p


class Inverse(NormalMixture):
    """The temperature divides."""

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        return super().sample(noise, 1 / max(temperature, 1e-3))


class ColdIsHot(Mog):
    """Its components spread as the temperature falls."""

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return Inverse(p.components, p.batch, p.logits) if isinstance(p, NormalMixture) else p


class PlainMean(NormalMixture):
    """The mean of the components' means, their weights forgotten."""

    @property
    def mean(self) -> Tensor:
        mean = self.components.location.mean(0)
        return mean.expand(self.batch, *mean.shape)


class Unweighted(Mog):
    """A mean without the mixture's weights."""

    def at(self, group: int, context: Context) -> Distribution | None:
        p = super().at(group, context)
        return PlainMean(p.components, p.batch, p.logits) if isinstance(p, NormalMixture) else p


class AlwaysData(Vamp):
    """start says nothing: pseudo-images begin as training images."""

    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        self.start = "data"
        super().begin(images, labels)


class BothMove(Vq):
    """The commitment term without its stop-gradient: codes are drawn to the encoder twice."""

    def _penalties(self, grid: Grid, e: Tensor, found: Tensor) -> dict[str, Tensor]:
        commitment = self.beta * (e - found).square().flatten(1).sum(1)
        return {**super()._penalties(grid, e, found), "commitment": commitment}


class PulledEncoder(Vq):
    """The codebook's term without its stop-gradient."""

    def _penalties(self, grid: Grid, e: Tensor, found: Tensor) -> dict[str, Tensor]:
        return {**super()._penalties(grid, e, found), "codebook": (found - e).square().flatten(1).sum(1)}


class NoCommitment(Vq):
    """Both terms train the codebook: the encoder is committed to nothing."""

    def _penalties(self, grid: Grid, e: Tensor, found: Tensor) -> dict[str, Tensor]:
        commitment = self.beta * (e.detach() - found).square().flatten(1).sum(1)
        return {**super()._penalties(grid, e, found), "commitment": commitment}


class NoBeta(Vq):
    """β is read by nothing."""

    def _penalties(self, grid: Grid, e: Tensor, found: Tensor) -> dict[str, Tensor]:
        self.beta = 0.25
        return super()._penalties(grid, e, found)


class FarBook(GradientCodebook):
    """Takes the code that is farthest."""

    def forward(self, vectors: Tensor) -> Tensor:
        return torch.cdist(vectors.detach(), self.weight.detach()).argmax(1)


class Farthest(Vq):
    """argmax where argmin is due."""

    def __init__(self, maps: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__(maps, image, codes=5, dim=2)
        for grid in self.grids:
            assert isinstance(grid, Grid)
            grid.codebook.__class__ = FarBook


class NeverRevived(EmaVq):
    """revive does nothing."""

    def after_step(self) -> None:
        for grid in self.grids:
            assert isinstance(grid, Grid)
            assert isinstance(grid.codebook, Codebook)
            grid.codebook.revive = 0.0
        super().after_step()


class Swapped(DiagonalNormal):
    """A posterior whose rate is KL(p‖q)."""


@closed_form_kl(Swapped, DiagonalNormal)
def _swapped(q: Swapped, p: DiagonalNormal) -> Tensor:
    return gaussian.kl(p.location, p.log_std, q.location, q.log_std).flatten(1).sum(1)


class SwappedKl(Gaussian):
    """The arguments of its KL are swapped."""

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        q = super().root(features)
        return Swapped(q.location, q.log_std)


class NearlySwappedKl(SwappedKl):
    """The same, with q close to the prior at the start."""

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        q = super().root(features)
        return Swapped(0.3 * q.location, 0.3 * q.log_std)


class AlwaysVector(Gaussian):
    """form does nothing."""

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        form: Annotated[bool, Meta(description="map")] = False,
    ) -> None:
        super().__init__(levels, image, dim=2)


class Unprojected(TopDownBlock):
    """The state goes on without z."""

    def update(self, state: Tensor, deterministic: Tensor, z: Tensor) -> Tensor:
        return super().update(state, deterministic, 0 * z)


class UnreadLatents(TopDown):
    """What its last block draws reaches nothing."""

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__(levels, image)
        self.blocks[-1].__class__ = Unprojected


class Blind(TopDownBlock):
    """A posterior that sees the state alone."""

    def infer(self, state: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        return super().infer(state, 0 * seen)

    def both(self, state: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        return super().both(state, 0 * seen)


class BlindBlock(TopDown):
    """The posterior of its last group does not see the image."""

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__(levels, image)
        self.blocks[-1].__class__ = Blind


class OneWidth(Conv):
    """width does nothing."""

    def __init__(
        self, image: ImageShape, *, width: Annotated[int, Meta(ge=1, description="channels")] = 64
    ) -> None:
        super().__init__(image, width=8)


class OneSize(Conv):
    """smallest does nothing."""

    def __init__(
        self, image: ImageShape, *, smallest: Annotated[int, Meta(ge=1, description="longer side")] = 4
    ) -> None:
        super().__init__(image, width=3, smallest=4)


class Modes(ConvDecoder):
    """The most likely value where the mean is due."""

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        return super().mean(features, output, noise).round()


class Recomputed(ConvDecoder):
    """Where activations are computed again, twice the map."""

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = super().forward(features, x)
        return 2 * h if self.recompute else h


class MeanOfGroups(Elbo):
    """The mean of the groups' rates where their sum is due."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weight = max(self.min_weight, risen(progress, self.warmup, self.hold))
        return scored.distortion.mean(0) + weight * scored.kl().mean(1).mean(0)


class HalfRate(Elbo):
    """Half of the rate."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        plain = super().forward(scored, progress)
        return scored.distortion.mean(0) + 0.5 * (plain - scored.distortion.mean(0))


class RateRewarded(Elbo):
    """The rate's sign turned."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return 2 * scored.distortion.mean(0) - super().forward(scored, progress)


class CappedBits(Elbo):
    """min where free bits ask for max."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weight = max(self.min_weight, risen(progress, self.warmup, self.hold))
        kl = scored.kl().mean(1)
        kl = kl.clamp(max=self.free_bits) if self.free_bits else kl
        return scored.distortion.mean(0) + weight * kl.sum(0)


class NoHold(Elbo):
    """hold does nothing."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        self.hold = 0.0
        return super().forward(scored, progress)


class Upside(Beta):
    """β_norm times M/N where N/M is due."""

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        beta: Annotated[float, Meta(ge=0, description="weight")] = 4.0,
        scale: Annotated[Literal["plain", "normalised"], Meta(description="of beta")] = "plain",
        warmup: Annotated[float, Meta(ge=0, le=1, description="share")] = 0.0,
    ) -> None:
        super().__init__(groups, image, beta=beta, scale="plain", warmup=warmup)
        if scale == "normalised":
            self.beta = beta * sum(math.prod(g.shape) for g in groups) / image.dims


class SquaredBeta(Beta):
    """β enters twice."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        rate = scored.kl().mean(1).sum(0)
        return scored.distortion.mean(0) + self.beta**2 * risen(progress, self.warmup) * rate


class OneSided(Capacity):
    """The rate less C, without its absolute value."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        over = scored.kl().mean(1).sum(0) - self.capacity(progress)
        return scored.distortion.mean(0) + self.gamma * over


class SumOfWeights(Iwae):
    """log Σ w where log of the mean is due."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return -scored.log_weights().logsumexp(0)


class MeanOfLogs(Iwae):
    """The mean of log w: the ELBO under another name."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return -scored.log_weights().mean(0)


class FewerSamples(Iwae):
    """samples does nothing."""

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        samples: Annotated[int, Meta(ge=1, description="K")] = 5,
    ) -> None:
        super().__init__(groups, image, samples=5)


ACTS, FORMULA, HEAT = (
    "every parameter has an effect",
    "the loss matches its formula",
    "a higher temperature spreads the samples",
)
MOVES, CODES = "each penalty trains what it names", "probabilities of codes sum to one"
WITNESSES = [
    Witness("likelihood", ACTS, FloorlessMixture, "min_log_scale", "a floor that is not read"),
    Witness("likelihood", ACTS, Floorless, "min_log_scale", "a floor that is not read"),
    Witness("likelihood", "samples follow the probabilities", SwappedColours, "χ²", "coefficients swapped"),
    Witness("likelihood", "samples follow the probabilities", BlueAlone, "χ²", "a coupling left out"),
    Witness("likelihood", "the mean is the expectation", UncoupledMean, "coupled", "a coupling left out"),
    Witness("prior", HEAT, ColdClasses, "group", "a temperature ignored for conditioned codes"),
    Witness("prior", HEAT, NoHeat, "the root", "a temperature that is not read"),
    Witness("prior", HEAT, ColdIsHot, "the root", "a temperature that divides"),
    Witness("prior", CODES, OneClass, "χ²", "samples of one class"),
    Witness("prior", CODES, Unaveraged, "sum to", "a sum over classes for their mean"),
    Witness("prior", "density integrates to one", Unweighted, "density's mean", "a mean without weights"),
    Witness("prior", ACTS, AlwaysData, "start", "a choice that is not read"),
    Witness("latent", MOVES, BothMove, "commitment in the codebook", "a stop-gradient left out"),
    Witness("latent", MOVES, PulledEncoder, "codebook in the encoder", "a stop-gradient left out"),
    Witness("latent", MOVES, NoCommitment, "commitment in the encoder", "a stop-gradient in the wrong place"),
    Witness("latent", ACTS, NoBeta, "beta", "a weight that is not read"),
    Witness(
        "latent",
        "the nearest code is taken",
        Farthest,
        "commitment penalty of the chosen code",
        "argmax for argmin",
    ),
    Witness("latent", ACTS, NeverRevived, "revive", "a share that is not read"),
    Witness("latent", "rates are KL(q‖p)", SwappedKl, "minus the rate", "KL(p‖q) for KL(q‖p)"),
    Witness("latent", "rates are KL(q‖p)", NearlySwappedKl, "minus the rate", "KL(p‖q), q close to p"),
    Witness("latent", ACTS, AlwaysVector, "form", "a choice that is not read"),
    Witness(
        "latent",
        "every latent affects the features",
        UnreadLatents,
        "no feature depends on",
        "a z that reaches nothing",
    ),
    Witness(
        "latent", "posteriors depend on the image", BlindBlock, "log q(z|x)", "a posterior of the state alone"
    ),
    Witness("encoder", ACTS, OneWidth, "width", "a size that is not read"),
    Witness("encoder", ACTS, OneSize, "smallest", "a size that is not read"),
    Witness("decoder", "p(x|z) sums to one", Modes, "mean of a pixel", "a mode for a mean"),
    Witness("decoder", "recompute changes nothing", Recomputed, "with recompute", "another recomputation"),
    Witness("objective", FORMULA, MeanOfGroups, "formula", "a mean over groups"),
    Witness("objective", FORMULA, HalfRate, "formula", "a rate with half its weight"),
    Witness("objective", FORMULA, RateRewarded, "formula", "the rate's sign"),
    Witness("objective", FORMULA, CappedBits, "formula", "min for max in free bits"),
    Witness("objective", ACTS, NoHold, "hold", "a share that is not read"),
    Witness("objective", FORMULA, Upside, "formula", "M/N for N/M"),
    Witness("objective", FORMULA, SquaredBeta, "formula", "β twice"),
    Witness("objective", FORMULA, OneSided, "formula", "an absolute value left out"),
    Witness("objective", FORMULA, SumOfWeights, "formula", "a sum for a mean"),
    Witness("objective", FORMULA, MeanOfLogs, "formula", "the ELBO for the importance-weighted bound"),
    Witness("objective", ACTS, FewerSamples, "samples", "a number that is not read"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)
