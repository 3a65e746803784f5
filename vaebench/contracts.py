"""What each kind of part promises, and the few things that travel between parts.

A composed model walks one way: image -> encoder -> latent (asking the prior) -> decoder -> likelihood.
Information is in nats per image unless a name says otherwise. B is the batch, C, H and W are an image's
channels, height and width; a vector is a 1x1 map.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from vaebench.distributions import Distribution, kl
from vaebench.noise import Noise

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class ImageShape:
    """The images of a data set: integers 0 .. levels-1 of shape (channels, height, width)."""

    channels: int
    height: int
    width: int
    levels: int = 256

    @property
    def dims(self) -> int:
        """Pixel values per image, C·H·W."""
        return self.channels * self.height * self.width

    @property
    def tags(self) -> Tags:
        """What parts can ask of the data: ``binary``; ``grey`` or ``colour`` or ``many-channels``."""
        colours = {1: "grey", 3: "colour"}.get(self.channels, "many-channels")
        return frozenset({colours} | ({"binary"} if self.levels == 2 else set()))


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


class Part(nn.Module):
    """What every component is: a module that says what it offers and needs, so that pairs can be checked.

    ``offers`` are free words (in use: ``real``, ``codes``, ``density`` for a posterior that can be evaluated
    at any z, ``pyramid``, ``single`` for one group, ``autoregressive``). ``needs`` maps a slot (``data`` too)
    to words that the part there must offer, ``"a|b"`` for either. ``suggests`` names the part for a slot
    that is left open. All are read from the class before any tensor is made.
    """

    offers: ClassVar[Tags] = frozenset()
    needs: ClassVar[Mapping[str, Tags]] = {}
    suggests: ClassVar[Mapping[str, str]] = {}
    paper: ClassVar[str] = ""
    """Authors, year and section that the part implements."""

    def penalties(self, progress: Progress) -> dict[str, Tensor]:
        """Named scalars that training adds to the mean loss (weight regularisers). Never nats."""
        return {}

    def after_step(self) -> None:
        """Commit running statistics, once per optimiser step that was taken."""


class Encoder(Part):
    """Image to features: maps from fine to coarse, each listed in ``levels``.

    Built as ``Encoder(image, **parameters)``; called with the normalised image (B, C, H, W), float.
    """

    levels: tuple[Level, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]: ...


class Latent(Part):
    """Features to groups of latents and to features for the decoder.

    Built as ``Latent(levels, image, **parameters)`` from the encoder's levels; ``out`` are the levels of
    the features that its walk yields, fine to coarse.
    """

    groups: tuple[Group, ...]
    out: tuple[Level, ...]

    @abstractmethod
    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: "Prior", noise: Noise, batch: int
    ) -> Walk:
        """Visit every group, root first: ask q of the features and p of the prior, let the source pick z."""

    def root(self, features: tuple[Tensor, ...]) -> Distribution:
        """q(z_root | x), for priors made of posteriors; a layer with a density offers ``density``."""
        raise NotImplementedError(f"{type(self).__name__} has no density for its root")


class Prior(Part):
    """p(z) of the root group or, conditionally, of every group.

    Built as ``Prior(groups, image, **parameters)``. ``fitted`` says when it learns: ``with`` the rest, or
    ``after`` it, on frozen latents (codes); until then such a prior is uniform.
    """

    covers: ClassVar[Literal["root", "every group"]] = "root"
    fitted: ClassVar[Literal["with", "after"]] = "with"

    @abstractmethod
    def at(self, group: int, context: Context) -> Distribution | None:
        """p(z_group | groups above), for a batch; None leaves it to the latent layer's own conditional."""

    def bind(self, posterior: Callable[[Tensor], Distribution]) -> None:
        """Receive pseudo-images (B, C, H, W) in 0 .. levels-1, real-valued -> q(z_root | them)."""


class Output(nn.Module):
    """Where decoder and likelihood meet: a head from the last map to the likelihood's parameters."""

    def __init__(self, head: nn.Module, likelihood: "Likelihood") -> None:
        super().__init__()
        self.head = head
        self.likelihood = likelihood

    def parameters_of(self, h: Tensor) -> Tensor:
        """(B, likelihood.channels, H, W), in float32 at least: likelihoods are never computed in bf16."""
        out = self.head(h)
        return out if out.dtype == torch.float64 else out.float()

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """log p(x|z) in nats per image, (B,)."""
        return self.likelihood.log_prob(self.parameters_of(h), x)


class Decoder(Part):
    """Features to the last map before the output head.

    Built as ``Decoder(levels, image, **parameters)`` from the latent layer's ``out``. ``width`` is the
    channels of the map that ``forward`` returns.
    """

    width: int

    @abstractmethod
    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        """(B, width, H, W). Autoregressive decoders see the integer image x (B, C, H, W) as well, masked."""

    def head(self, channels: int) -> nn.Module:
        """The module from ``forward``'s map to (B, channels, H, W); a 1x1 convolution unless overridden."""
        return nn.Conv2d(self.width, channels, 1)

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """An image x ~ p(x|z), int64 (B, C, H, W); autoregressive decoders override this."""
        return output.likelihood.sample(output.parameters_of(self(features, None)), noise)

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """E[x|z] in 0 .. levels-1, real-valued (B, C, H, W), for pictures; a sample where it has no form."""
        return output.likelihood.mean(output.parameters_of(self(features, None)))


class Likelihood(Part):
    """A distribution over integer images, independent over pixels given its parameters.

    Built as ``Likelihood(image, **parameters)``; ``channels`` is how many parameters it needs per pixel.
    """

    channels: int

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.image = image

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """log p(x|params) in nats per image, (B,); −inf where x is outside 0 .. levels-1.

        :param params: (B, channels, H, W)
        :param x: (B, C, H, W), integer
        """
        if x.dtype == torch.uint8 and self.image.levels == 256:
            return self.log_prob_pixels(params, x).flatten(1).sum(1)
        top = self.image.levels - 1
        wrong = ((x < 0) | (x > top)).flatten(1).any(1)
        inside = self.log_prob_pixels(params, x.clamp(0, top)).flatten(1).sum(1)
        return inside.masked_fill(wrong, -torch.inf)

    @abstractmethod
    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        """log p of each pixel (or pixel value) of an allowed x: (B, C or 1, H, W) nats."""

    @abstractmethod
    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """x ~ p(x|params), int64 (B, C, H, W)."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """E[x|params] in 0 .. levels-1, real-valued (B, C, H, W)."""


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


class Objective(Part):
    """What training minimises, from per-image terms.

    Built as ``Objective(groups, image, **parameters)``.
    """

    samples: int = 1
    """Samples of z per image that the loss needs."""

    @abstractmethod
    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        """The loss of each image, (B,), in nats where the objective is a bound."""


class Extractor(Protocol):
    """What an entry of kind ``extractor`` resolves to; see ``vaebench.evaluation.extractors``."""

    def __call__(self, weights: str | None, device: torch.device) -> "FeatureExtractor": ...


class FeatureExtractor(Protocol):
    """Images to features, with the identity of the weights that made them."""

    width: int
    weights_sha256: str

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        """Features (B, width), float, of integer images (B, C, H, W) in 0 .. levels-1."""


class Split(NamedTuple):
    """Images (N, C, H, W) uint8, and their classes (N,) int64 or None."""

    images: Tensor
    labels: Tensor | None


@dataclass(frozen=True)
class Dataset:
    """Integer images in memory with a fixed train, validation and test split."""

    name: str
    image: ImageShape
    train: Split
    validation: Split
    test: Split
    checksum: str
    """sha256 over the three splits' shapes and bytes, in order."""
    extractor: str | None = None
    """The feature extractor that FID uses by default; None where no extractor fits."""
    binarisation: str | None = None
    """How grey values became 0 and 1, for the record; None for data that are not binarised."""
    draw: Callable[[Tensor], Tensor] | None = None
    """Training images as stored -> as seen this time (fresh binarisation), from torch's generator."""
    epochs: float = 20.0
    """A training budget that suits the data, for runs that name none."""
    notes: tuple[str, ...] = ()
    """What a person should know: files skipped, and why."""
