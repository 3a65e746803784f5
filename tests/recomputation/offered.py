"""A tiny extractor of colour images, and binary digits whose training images are drawn afresh."""

import hashlib
from pathlib import Path

import torch
from torch import Tensor

from vaebench.contracts import Dataset, ImageShape, Split

COLOUR = (3, 8, 8)


def projection() -> Tensor:
    """The extractor's weights, (192, 6): fixed numbers without a generator."""
    place = torch.arange(192 * 6, dtype=torch.float64).reshape(192, 6)
    return torch.sin(place.square() * 0.37 + place) / 6


class ColourSums:
    """tanh of six fixed weighted sums of the pixels."""

    width = 6
    weights_sha256 = hashlib.sha256(projection().numpy().tobytes()).hexdigest()

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        return torch.tanh(images.flatten(1).double() / (levels - 1) @ projection()).float()


def colour_sums(weights: str | None, device: torch.device) -> ColourSums:
    return ColourSums()


def draw(greys: Tensor) -> Tensor:
    """x ~ Bernoulli(grey / 16)."""
    return torch.bernoulli(greys.float() / 16).to(torch.uint8)


def drawn(root: Path) -> Dataset:
    """Every fourth digit: 300 to train, drawn afresh each time, 60 to validate and 80 to test, drawn once."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = torch.from_numpy(digits.images).to(torch.uint8).unsqueeze(1)[::4]
    labels = torch.from_numpy(digits.target).long()[::4]
    once = (images > 16 * torch.rand(images.shape, generator=torch.Generator().manual_seed(7))).to(
        torch.uint8
    )
    return Dataset(
        name="drawn",
        image=ImageShape(1, 8, 8, levels=2),
        train=Split(images[:300], labels[:300]),
        validation=Split(once[300:360], labels[300:360]),
        test=Split(once[360:440], labels[360:440]),
        checksum="0" * 64,
        extractor="digits",
        binarisation="fresh each draw",
        draw=draw,
    )
