"""What each kind of part promises.

A composed model walks one way: image -> encoder -> latent (asking the prior) -> decoder -> likelihood. What
travels between them is in ``vaebench.terms`` and ``vaebench.images``, and can be imported from here as well.
Information is in nats per image unless a name says otherwise. B is the batch, C, H and W are an image's
channels, height and width; a vector is a 1x1 map.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from vaebench.distributions import Distribution
from vaebench.images import Dataset, Extractor, FeatureExtractor, ImageShape, Split, Tags
from vaebench.noise import Noise
from vaebench.terms import (
    Context,
    Generate,
    Given,
    Group,
    Infer,
    Level,
    Progress,
    Scored,
    Source,
    Term,
    Walk,
)

__all__ = [
    "Context",
    "Dataset",
    "Decoder",
    "Encoder",
    "Extractor",
    "FeatureExtractor",
    "Generate",
    "Given",
    "Group",
    "ImageShape",
    "Infer",
    "Latent",
    "Level",
    "Likelihood",
    "Objective",
    "Output",
    "Part",
    "Prior",
    "Progress",
    "Scored",
    "Source",
    "Split",
    "Tags",
    "Term",
    "Walk",
]


class Part(nn.Module):
    """What every component is: a module that says what it offers and needs, so that pairs can be checked.

    ``offers`` are free words (in use: ``real``, ``codes``, ``nothing`` for models without latents,
    ``density`` for a posterior that can be evaluated at any z, ``own-root`` for a layer with a p of its own
    for its root, ``pyramid``, ``single`` for one group, ``autoregressive``, ``unconditional`` for a decoder
    that works without z). ``needs`` maps a slot (``data`` too) to words that the part there must offer,
    ``"a|b"`` for either. ``suggests`` names the part for a slot that is left open. All are read from the
    class before any tensor is made.
    """

    offers: ClassVar[Tags] = frozenset()
    needs: ClassVar[Mapping[str, Tags]] = {}
    suggests: ClassVar[Mapping[str, str]] = {}
    paper: ClassVar[str] = ""
    """Authors, year and section that the part implements."""
    untrained: ClassVar[Mapping[str, str]] = {}
    """Parameters (by the start of their name) that no gradient reaches, and why."""
    recompute: bool = False
    """Set by the composition: keep few activations, and compute the others again for the gradient; see
    ``vaebench.blocks.recompute``."""

    def penalties(self, progress: Progress) -> dict[str, Tensor]:
        """Named scalars that training adds to the mean loss (weight regularisers). Never nats."""
        return {}

    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        """See the training images (N, C, H, W) and classes (N,) once, before training from scratch.

        :raises UsageError: where the part cannot work with these
        """

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

    def without(self, features: tuple[Tensor, ...], group: int) -> tuple[Tensor, ...]:
        """A walk's features with what a group gives the decoder directly set to zero, for pictures."""
        raise NotImplementedError(f"{type(self).__name__} does not say which features are a group's")


class Prior(Part):
    """p(z) of the root group or, conditionally, of every group.

    Built as ``Prior(groups, image, **parameters)``. ``fitted`` says when it learns: ``with`` the rest, or
    ``after`` it, on the frozen rest's latents; the prior that ``stand_in`` names rules while the rest trains.
    """

    covers: ClassVar[Literal["root", "every group"]] = "root"
    fitted: ClassVar[Literal["with", "after"]] = "with"
    stand_in: ClassVar[str] = "uniform"
    classes: int = 0
    """How many classes the root's density can be conditioned on, by ``Context.labels``."""

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

    def head(self, likelihood: "Likelihood") -> nn.Module:
        """From ``forward``'s map to (B, likelihood.channels, H, W); a 1x1 convolution unless overridden."""
        return nn.Conv2d(self.width, likelihood.channels, 1)

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """An image x ~ p(x|z), int64 (B, C, H, W); autoregressive decoders override this.

        They ask ``likelihood.sample`` once for each pixel in raster order, C times where it is ``by_colour``.
        """
        return output.likelihood.sample(output.parameters_of(self(features, None)), noise)

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """E[x|z] in 0 .. levels-1, real-valued (B, C, H, W), for pictures; a sample where it has no form."""
        return output.likelihood.mean(output.parameters_of(self(features, None)))


class Likelihood(Part):
    """A distribution over integer images, independent over pixels given its parameters.

    Built as ``Likelihood(image, **parameters)``; ``channels`` is how many parameters it needs per pixel.
    ``by_colour``: they are C equal blocks, block c for colour c alone, so that an autoregressive decoder may
    show block c the colours before it; otherwise a pixel's parameters must not see the pixel.
    """

    channels: int
    by_colour: ClassVar[bool] = False

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.image = image

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """log p(x|params) in nats per image, (B,); −inf where x is outside 0 .. levels-1.

        :param params: (B, channels, H, W)
        :param x: (B, C, H, W), integer
        :raises ValueError: for other shapes, which would broadcast to a wrong number
        """
        image = self.image
        for what, found, channels in (("parameters", params, self.channels), ("images", x, image.channels)):
            due = (len(params), channels, image.height, image.width)
            if found.shape != due:
                raise ValueError(f"{what} of shape {tuple(found.shape)} where {due} is expected")
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


class Objective(Part):
    """What training minimises, from per-image terms.

    Built as ``Objective(groups, image, **parameters)``.
    """

    over: ClassVar[Literal["image", "batch"]] = "image"
    """Whether the losses of a batch in another order are the same losses in that order (``image``), or the
    loss is a function of the whole batch and of the places in it (``batch``: stratified estimators, say)."""
    formula: ClassVar[Callable[..., float] | None] = None
    """A static method that says the loss of an image alone in its batch a second time, in plain numbers:
    ``formula(distortions, rates, log_weights, progress, groups, image, **parameters)``, K distortions and log
    weights, and K rates for each group, in nats. ``vaebench check`` holds ``forward`` to it."""
    samples: int = 1
    """Samples of z per image that the loss needs."""

    @abstractmethod
    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        """The loss of each image, (B,), in nats where the objective is a bound."""
