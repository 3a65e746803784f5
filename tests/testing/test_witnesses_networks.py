"""Faulty encoders and decoders, and the laws that see them; those of every component among them."""

from typing import Annotated

import pytest
import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import (
    Encoder,
    Group,
    ImageShape,
    Level,
)
from vaebench.decoders.conv import Conv as ConvDecoder
from vaebench.encoders.conv import Conv
from vaebench.likelihoods.logistic import Logistic
from vaebench.priors.normal import Normal

from .witness import Witness, bites

SEES, TRAINS, BLIND = (
    "each pixel sees only earlier pixels",
    "each pixel sees only earlier pixels, in training",
    "no blind spot",
)


class Undescribed(Normal):
    """A parameter without a meaning."""

    def __init__(
        self, groups: tuple[Group, ...], image: ImageShape, *, size: Annotated[int, Meta(ge=1)] = 1
    ) -> None:
        super().__init__(groups, image)


class UnitMeans(Logistic):
    """Means in [-1, 1] instead of 0 .. levels-1."""

    def mean(self, params: Tensor) -> Tensor:
        return self._split(params)[0].tanh()


class Unsaved(Conv):
    """A random tensor that is no buffer."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3)
        self.scale = torch.rand(1).item() + 0.5

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return super().forward(self.scale * x)


class Dropout(Conv):
    """Dropout in evaluation, from the global generator."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return super().forward(F.dropout(x, 0.5, training=True))


class Overflow(Conv):
    """log(1 + exp(300 h)) written out."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple((1 + (300 * h).exp()).log() / 300 for h in super().forward(x))


class Counter(Conv):
    """A running statistic that is updated in evaluation as well."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3)
        self.seen: Tensor
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        self.seen = self.seen + len(x)
        return super().forward(x)


class Idle(Conv):
    """A layer that nothing uses."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3)
        self.idle = nn.Conv2d(3, 3, 1)


class BatchNorm(Conv):
    """Batch statistics in evaluation."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(h - h.mean((0, 2, 3), keepdim=True) for h in super().forward(x))


class Neighbour(Conv):
    """Each row also sees the row before it in the batch."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(h + h.roll(1, 0) for h in super().forward(x))


class Shared(Logistic):
    """Samples of an image share what they may not: the score of the first row of the batch."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return super().log_prob_pixels(params, x) + params[:1].mean()


class RoundedDown(Conv):
    """Promises halvings rounded down, gives them rounded up."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image, width=3, smallest=1)
        self.levels = tuple(Level(3, image.height >> i, image.width >> i) for i in range(len(self.levels)))


class Stride(Encoder):
    """A 1x1 convolution of stride 2: three of four pixels are never seen."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.net = nn.Conv2d(image.channels, 3, 1, stride=2)
        self.levels = (Level(3, (image.height + 1) // 2, (image.width + 1) // 2),)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.net(x),)


class AnyChannels(Encoder):
    """The mean over channels, however many."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.net = nn.Conv2d(1, 3, 1)
        self.levels = (Level(3, image.height, image.width),)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.net(x.mean(1, keepdim=True)),)


class EvenSides(ConvDecoder):
    """Maps of even sides only."""

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = super().forward(features, x)
        return F.pad(h, (0, h.shape[3] % 2, 0, h.shape[2] % 2))


class Peeks(ConvDecoder):
    """Sees the image that it is to explain."""

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = super().forward(features, x)
        return h if x is None else h + x.to(h.dtype).mean(1, keepdim=True)


class FirstChannel(ConvDecoder):
    """Of the latent features the first channel alone."""

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        seen = F.pad(features[0][:, :1], (0, 0, 0, 0, 0, features[0].shape[1] - 1))
        return super().forward((seen,), x)


class Sums(ConvDecoder):
    """The sum of the latent channels, however many."""

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__((Level(1, *levels[0][1:]),), image, width=3)

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        return super().forward((features[0].sum(1, keepdim=True),), x)


WITNESSES = [
    Witness(
        "prior",
        "the component is documented",
        Undescribed,
        "size has no description",
        "an unexplained parameter",
    ),
    Witness(
        "likelihood", "terms are per image", UnitMeans, "outside 0 .. levels-1", "means on another scale"
    ),
    Witness("encoder", "state survives saving and loading", Unsaved, "differ", "a tensor that is no buffer"),
    Witness("encoder", "the same seed gives the same results", Dropout, "differ", "dropout in evaluation"),
    Witness("encoder", "float32 agrees with float64", Overflow, "float32", "a softplus written out"),
    Witness("encoder", "evaluation changes no state", Counter, "seen", "statistics updated in evaluation"),
    Witness("encoder", "evaluation changes no state", Dropout, "generator", "noise that is not injected"),
    Witness("encoder", "gradient reaches every parameter", Idle, "idle", "a layer that nothing uses"),
    Witness("encoder", "images are scored alone", BatchNorm, "batch", "batch statistics in evaluation"),
    Witness("likelihood", "samples do not mix", Shared, "sample", "rows that share a statistic"),
    Witness(
        "encoder", "maps match the levels", RoundedDown, "against its level", "sides halved by rounding down"
    ),
    Witness(
        "encoder", "every pixel is seen", Stride, "no feature depends", "stride without a kernel to match"
    ),
    Witness("encoder", "images are encoded alone", Neighbour, "alone", "rows that see one another"),
    Witness(
        "encoder", "wrong channels are refused", AnyChannels, "was accepted", "a mean over whatever comes"
    ),
    Witness("decoder", "parameters for every pixel", EvenSides, "parameters", "sides doubled, never cropped"),
    Witness("decoder", "p(x|z) sums to one", Peeks, "", "a decoder that sees the target"),
    Witness(
        "decoder", "the decoder ignores the image", Peeks, "with an image", "a decoder that sees the target"
    ),
    Witness(
        "decoder",
        "every latent affects the output",
        FirstChannel,
        "no likelihood parameter depends",
        "channels lost on the way",
    ),
    Witness("decoder", "wrong features are refused", Sums, "was accepted", "a sum over whatever comes"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)
