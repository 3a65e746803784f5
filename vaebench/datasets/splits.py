"""What every data set is made with: splits, quantisation and the checksum."""

import hashlib
from typing import Annotated, TypeAlias

import numpy as np
import torch
from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Dataset, ImageShape, Split

Levels: TypeAlias = (
    Annotated[int, Meta(ge=2, le=256, description="quantise pixels to this many levels; default: as stored")]
    | None
)

_CHUNK = 4096


def partition(count: int, validation: int, test: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Indices of a random split of ``count`` images: test the last of a permutation, validation before it.

    The permutation is ``numpy.random.RandomState(seed).permutation(count)``, whose stream NumPy keeps as it
    is: the split belongs to the seed, not to a library's version.
    """
    order = np.random.RandomState(seed).permutation(count).astype(np.int64)
    train, val, last = torch.from_numpy(order).split([count - validation - test, validation, test])
    return train, val, last


def take(split: Split, indices: Tensor) -> Split:
    """The images at ``indices``, with their labels."""
    return Split(split.images[indices], None if split.labels is None else split.labels[indices])


def quantise(images: Tensor, stored: int, levels: int) -> Tensor:
    """⌊x · levels / stored⌋: uint8 images in 0 .. stored-1 to 0 .. levels-1, where levels <= stored."""
    out = torch.empty_like(images)
    # In pieces: the product needs more than 8 bits, all images at once would need four times their memory.
    for source, target in zip(images.split(_CHUNK), out.split(_CHUNK), strict=True):
        target.copy_(source.int() * levels // stored)
    return out


def checksum(*splits: Split) -> str:
    """sha256 over each split's shape (``"(N, C, H, W)"``) and bytes, in order."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(str(tuple(split.images.shape)).encode())
        digest.update(split.images.flatten().numpy().data)
    return digest.hexdigest()


def assemble(
    name: str,
    splits: tuple[Split, Split, Split],
    *,
    levels: int | None,
    epochs: float,
    extractor: str | None,
    lr: float = 2e-3,
    stored: int = 256,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """A data set of train, validation and test images in 0 .. stored-1, quantised where levels are given."""
    if levels is not None:
        splits = tuple(Split(quantise(s.images, stored, levels), s.labels) for s in splits)  # type: ignore[assignment]
    train, validation, test = splits
    channels, height, width = train.images.shape[1:]
    return Dataset(
        name=name,
        image=ImageShape(channels, height, width, levels or stored),
        train=train,
        validation=validation,
        test=test,
        checksum=checksum(*splits),
        extractor=extractor,
        lr=lr,
        binarisation=f"threshold: 1 where 2x >= {stored}" if levels == 2 else None,
        epochs=epochs,
        notes=notes,
    )
