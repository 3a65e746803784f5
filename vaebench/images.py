"""Images and what is read off them: shapes, data sets, and feature extractors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

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
    lr: float = 2e-3
    """A peak learning rate that suits them."""
    notes: tuple[str, ...] = ()
    """What a person should know: files skipped, and why."""
    classes: tuple[str, ...] = ()
    """The names of the classes, by number; empty where there are none, or numbers are their names."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``train``, ``validation``, ``test`` -> the file names of its images, where they come from files."""
    files_sha256: str | None = None
    """sha256 over the names and bytes of the files that the images were decoded from, however they were:
    where ``checksum`` differs and this does not, another decoder read the same files. None: not told."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Parameters, as text, that a run's request and record name even where they have their default."""


class Extractor(Protocol):
    """What an entry of kind ``extractor`` resolves to; see ``vaebench.evaluation.extractors``."""

    def __call__(self, weights: str | None, device: torch.device) -> "FeatureExtractor": ...


class FeatureExtractor(Protocol):
    """Images to features, with the identity of the weights that made them."""

    width: int
    weights_sha256: str

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        """Features (B, width), float, of integer images (B, C, H, W) in 0 .. levels-1."""
