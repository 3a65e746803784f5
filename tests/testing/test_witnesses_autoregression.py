"""Faulty autoregressive decoders, and the laws that see them."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.contracts import (
    ImageShape,
    Level,
    Output,
)
from vaebench.noise import Noise

from .parts import Raster
from .witness import Witness, bites

SEES, TRAINS, BLIND = (
    "each pixel sees only earlier pixels",
    "each pixel sees only earlier pixels, in training",
    "no blind spot",
)


class BWhereA(Raster):
    """Mask B in the first layer: a pixel sees itself."""

    first = "B"


class AWhereB(Raster):
    """Mask A in every layer: the pixel just to the left is lost."""

    later = "A"


class Unshifted(Raster):
    """The vertical stack feeds the horizontal one without its shift down a row."""

    shifted = False


class Normed(Raster):
    """Batch normalisation in a PixelCNN."""

    normed = True


class OneStack(Raster):
    """One masked 3x3 convolution after another: the blind spot of the first PixelCNN."""

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__(levels, image)
        self.net = nn.ModuleList(
            nn.Conv2d(n, self.width, 3, padding=1) for n in (image.channels, self.width, self.width)
        )

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        assert x is not None
        h = x.to(self.of_z.weight) * (2 / (self.image.levels - 1)) - 1
        z = F.interpolate(self.of_z(features[0]), size=x.shape[2:])
        for i, layer in enumerate(self.net):
            assert isinstance(layer, nn.Conv2d)
            mask = torch.ones(3, 3, dtype=h.dtype)
            mask[1, 2], mask[1, 1], mask[2] = 0, float(i > 0), 0
            h = (F.conv2d(h, layer.weight * mask, layer.bias, padding=1) + z).tanh()
        return h


class StaleCache(Raster):
    """Sampling that looks a pixel too far back."""

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        image = self.image
        x = torch.zeros(len(features[0]), image.channels, image.height, image.width, dtype=torch.int64)
        for i in range(image.height):
            cached = output.parameters_of(self(features, x))
            for j in range(image.width):
                for c in range(image.channels if output.likelihood.by_colour else 1):
                    drawn = output.likelihood.sample(cached[:, :, i : i + 1, j : j + 1], noise)
                    x[:, c:, i, j] = drawn[:, c:, 0, 0]
        return x


WITNESSES = [
    Witness("decoder", SEES, BWhereA, "of that pixel", "mask B where A belongs"),
    Witness("decoder", BLIND, AWhereB, "in its own row", "mask A where B belongs"),
    Witness("decoder", SEES, Unshifted, "depend on colour", "the missing shift of the vertical stack"),
    Witness("decoder", TRAINS, Normed, "in train mode", "batch normalisation in a PixelCNN"),
    Witness(
        "decoder", BLIND, OneStack, "blind spot", "one stack of masked convolutions (van den Oord 2016a)"
    ),
    Witness(
        "decoder",
        "fast sampling equals plain sampling",
        StaleCache,
        "one forward pass per pixel",
        "a cache read before it is written",
    ),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)


def test_batch_normalisation_is_invisible_in_evaluation() -> None:
    """Why the law is asked twice: in eval mode the leaking network is innocent."""
    assert Witness("decoder", SEES, Normed, "", "").verdict().status == "holds"


@pytest.mark.parametrize(
    "law", [SEES, TRAINS, BLIND, "fast sampling equals plain sampling", "p(x|z) sums to one"]
)
def test_two_stacks_keep_the_laws(law: str) -> None:
    found = Witness("decoder", law, Raster, "", "").verdict()
    assert found.status == "holds", found.reason
