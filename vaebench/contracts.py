"""The contracts: what each kind of component promises.

A composed model computes image -> encoder -> latent layer (with the prior) -> decoder -> likelihood. The
values that components exchange are defined in ``vaebench.terms`` and ``vaebench.images``, and can be imported
from here too. Information is in nats per image unless a name says otherwise. B is the batch size; C, H and W
are an image's channels, height and width. A vector is a 1x1 map.
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
    "Component",
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


class Component(nn.Module):
    """The base class of every component: a module with class attributes that tell which components fit.

    ``offers`` are free words. In use are ``real`` and ``codes`` for latents, ``nothing`` for models without
    latents, ``single`` for one group, ``density`` for a posterior that can be evaluated at any z,
    ``own-root`` for a latent layer with its own p of the root, ``pyramid`` for an encoder with maps of
    several sizes, ``autoregressive`` and ``unconditional`` for a decoder that works without z. ``needs``
    maps a slot, or ``data``, to the words that its component must offer; ``"a|b"`` accepts either.
    ``suggests`` names the component for a slot that the user leaves open. All are read from the class
    before any tensor exists.
    """

    offers: ClassVar[Tags] = frozenset()
    needs: ClassVar[Mapping[str, Tags]] = {}
    suggests: ClassVar[Mapping[str, str]] = {}
    paper: ClassVar[str] = ""
    """The paper that the component implements: authors, year and section."""
    untrained: ClassVar[Mapping[str, str]] = {}
    """The start of a parameter's name -> the reason why no gradient reaches it."""
    recompute: bool = False
    """Whether to use activation checkpointing (``vaebench.blocks.recompute``); the composition sets it."""

    def penalties(self, progress: Progress) -> dict[str, Tensor]:
        """Return named scalars that training adds to the mean loss, such as weight regularisers; not nats."""
        return {}

    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        """Receive the training images (N, C, H, W) and classes (N,) once, before training from scratch.

        :raises UsageError: where the component cannot work with them
        """

    def after_step(self) -> None:
        """Commit running statistics; called once after every optimiser step."""


Part = Component
"""The name that the class had at first; plugins that use it keep working."""


class Encoder(Component):
    """Encoder: an image to feature maps, from fine to coarse.

    It is built as ``Encoder(image, **parameters)``. ``levels`` lists the shapes of its maps.
    """

    levels: tuple[Level, ...]

    @abstractmethod
    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Map normalised images (B, C, H, W), floating, to one map (B, *level) for each of ``levels``."""


class Latent(Component):
    """Latent layer: the encoder's features to groups of latents, and those to the decoder's features.

    It is built as ``Latent(levels, image, **parameters)`` from the encoder's levels. ``groups`` lists the
    groups, root first; ``out`` lists the shapes of the features for the decoder, fine to coarse.
    """

    groups: tuple[Group, ...]
    out: tuple[Level, ...]

    @abstractmethod
    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: "Prior", noise: Noise, batch: int
    ) -> Walk:
        """Visit every group, root first: q comes from the features, p from the prior, and the source picks z.

        :param features: the encoder's maps; None to generate without an image
        :param source: infers, generates or replays the latents
        :param batch: the number of rows
        """

    def root(self, features: tuple[Tensor, ...]) -> Distribution:
        """Compute q(z_root | x), for priors that mix posteriors.

        :raises NotImplementedError: for layers that do not offer ``density``
        """
        raise NotImplementedError(f"{type(self).__name__} has no density for its root")

    def without(self, features: tuple[Tensor, ...], group: int) -> tuple[Tensor, ...]:
        """Set to zero what a group passes to the decoder directly in a walk's features, for pictures.

        :raises NotImplementedError: for layers that do not keep the groups apart
        """
        raise NotImplementedError(f"{type(self).__name__} does not separate the features of its groups")


class Prior(Component):
    """Prior: p(z) of the root group, or p(z_g | z_<g) of every group.

    It is built as ``Prior(groups, image, **parameters)``. ``covers`` tells which groups it has a density for.
    ``fitted`` tells when it is trained: ``with`` the other components, or ``after`` them on their frozen
    latents; until then the prior named by ``stand_in`` takes its place.
    """

    covers: ClassVar[Literal["root", "every group"]] = "root"
    fitted: ClassVar[Literal["with", "after"]] = "with"
    stand_in: ClassVar[str] = "uniform"
    classes: int = 0
    """The number of classes that the root's density can be conditioned on (``Context.labels``)."""

    @abstractmethod
    def at(self, group: int, context: Context) -> Distribution | None:
        """Return p(z_group | groups above) for a batch; None means the latent layer's own conditional."""

    def bind(self, posterior: Callable[[Tensor], Distribution]) -> None:
        """Receive the function from pseudo-images (B, C, H, W), reals in 0 .. levels-1, to q(z_root | x)."""


class Output(nn.Module):
    """The output head: from the decoder's last map to the likelihood and its parameters."""

    def __init__(self, head: nn.Module, likelihood: "Likelihood") -> None:
        super().__init__()
        self.head = head
        self.likelihood = likelihood

    def parameters_of(self, h: Tensor) -> Tensor:
        """Compute (B, likelihood.channels, H, W) in float32 or float64, never in half precision."""
        out = self.head(h)
        return out if out.dtype == torch.float64 else out.float()

    def log_prob(self, h: Tensor, x: Tensor) -> Tensor:
        """Compute log p(x|z) in nats per image, (B,)."""
        return self.likelihood.log_prob(self.parameters_of(h), x)


class Decoder(Component):
    """Decoder: features of the latents to the last map before the output head.

    It is built as ``Decoder(levels, image, **parameters)`` from the latent layer's ``out``. ``width`` is the
    number of channels of the map that ``forward`` returns.
    """

    width: int

    @abstractmethod
    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        """Compute the map (B, width, H, W).

        :param x: integer images (B, C, H, W), which autoregressive decoders read masked; else ignored
        """

    def head(self, likelihood: "Likelihood") -> nn.Module:
        """Build the head from ``forward``'s map to (B, likelihood.channels, H, W): a 1x1 convolution."""
        return nn.Conv2d(self.width, likelihood.channels, 1)

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """Draw images x ~ p(x|z), int64 (B, C, H, W).

        Autoregressive decoders override this. They call ``likelihood.sample`` for each pixel in raster order,
        once, or C times where the likelihood is ``by_colour``.
        """
        return output.likelihood.sample(output.parameters_of(self(features, None)), noise)

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """Compute E[x|z], reals in 0 .. levels-1, (B, C, H, W); a sample where there is no closed form."""
        return output.likelihood.mean(output.parameters_of(self(features, None)))


class Likelihood(Component):
    """Likelihood: a distribution over integer images, independent over pixels given its parameters.

    It is built as ``Likelihood(image, **parameters)``. ``channels`` is the number of parameters per pixel.
    ``by_colour`` means that these are C equal blocks, and that block c is for colour c alone: an
    autoregressive decoder may then compute block c from the earlier colours of the pixel. Otherwise a pixel's
    parameters must not depend on the pixel.
    """

    channels: int
    by_colour: ClassVar[bool] = False

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.image = image

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        """Compute log p(x|params) in nats per image, (B,); −inf where x is outside 0 .. levels-1.

        :param params: (B, channels, H, W)
        :param x: (B, C, H, W), integer
        :raises ValueError: for other shapes, which would broadcast to wrong numbers
        """
        image = self.image
        for name, values, channels in (("parameters", params, self.channels), ("images", x, image.channels)):
            due = (len(params), channels, image.height, image.width)
            if values.shape != due:
                raise ValueError(f"{name} of shape {tuple(values.shape)} where {due} is expected")
        if x.dtype == torch.uint8 and self.image.levels == 256:
            return self.log_prob_pixels(params, x).flatten(1).sum(1)
        top = self.image.levels - 1
        wrong = ((x < 0) | (x > top)).flatten(1).any(1)
        inside = self.log_prob_pixels(params, x.clamp(0, top)).flatten(1).sum(1)
        return inside.masked_fill(wrong, -torch.inf)

    @abstractmethod
    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        """Compute log p of each pixel value, or of each pixel, in nats: (B, C or 1, H, W); x is allowed."""

    @abstractmethod
    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        """Draw x ~ p(x|params), int64 (B, C, H, W)."""

    @abstractmethod
    def mean(self, params: Tensor) -> Tensor:
        """Compute E[x|params], reals in 0 .. levels-1, (B, C, H, W)."""


class Objective(Component):
    """Objective: the loss that training minimises, from per-image terms.

    It is built as ``Objective(groups, image, **parameters)``.
    """

    over: ClassVar[Literal["image", "batch"]] = "image"
    """``image`` where an image's loss does not depend on its position in the batch; ``batch`` where it does,
    as with stratified estimators."""
    formula: ClassVar[Callable[..., float] | None] = None
    """A static method that computes the loss of an image alone in its batch a second time, in plain numbers:
    ``formula(distortions, rates, log_weights, progress, groups, image, **parameters)`` gets K distortions and
    K log weights, and K rates for each group, in nats. ``vaebench check`` compares ``forward`` with it."""
    samples: int = 1
    """The number of samples of z per image that the loss needs."""

    @abstractmethod
    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        """Compute the loss of each image, (B,), in nats where the objective is a bound."""
