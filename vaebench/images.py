"""Shapes of images, data sets, and feature extractors."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

Tags = frozenset[str]


@dataclass(frozen=True, slots=True)
class ImageShape:
    """The form of a data set's images: integers 0 .. levels-1 of shape (channels, height, width)."""

    channels: int
    height: int
    width: int
    levels: int = 256

    @property
    def dims(self) -> int:
        """The number of pixel values per image, C·H·W."""
        return self.channels * self.height * self.width

    @property
    def tags(self) -> Tags:
        """Tags that components can require: ``binary``; ``grey``, ``colour`` or ``many-channels``."""
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
    """SHA-256 over the shapes and bytes of the three splits, in order."""
    extractor: str | None = None
    """The feature extractor that FID uses by default; None if none fits."""
    binarisation: str | None = None
    """How grey values became 0 and 1, for the record; None for data that are not binarised."""
    draw: Callable[[Tensor], Tensor] | None = None
    """Maps stored training images to those that a model sees (fresh binarisation), by torch's generator."""
    epochs: float = 20.0
    """The default training budget for these data."""
    lr: float = 2e-3
    """The default peak learning rate for these data."""
    notes: tuple[str, ...] = ()
    """Notes for the user, such as which files were skipped and why."""
    classes: tuple[str, ...] = ()
    """The names of the classes, by number; empty if there are no classes or they have no names."""
    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """``train``, ``validation``, ``test`` -> the file names of its images, where they come from files."""
    files_sha256: str | None = None
    """SHA-256 over the names and bytes of the files that the images were decoded from; None if unknown.

    If ``checksum`` differs and this does not, another decoder has read the same files."""
    settled: Mapping[str, str] = field(default_factory=dict)
    """Parameters, as text, that a run's request and record name even if they have their default."""


class Extractor(Protocol):
    """The type of an entry of kind ``extractor``; see ``vaebench.evaluation.extractors``."""

    def __call__(self, weights: str | None, device: torch.device) -> "FeatureExtractor": ...


class FeatureExtractor(Protocol):
    """Maps images to features, and identifies the weights that do."""

    width: int
    weights_sha256: str

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        """Features (B, width), float, of integer images (B, C, H, W) in 0 .. levels-1."""
