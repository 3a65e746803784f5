"""Common steps of all data sets: splits, quantisation and checksums."""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping
from types import MappingProxyType
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
    """Indices of a random split of ``count`` images: test at the end of a permutation, validation before.

    The permutation is ``numpy.random.RandomState(seed).permutation(count)``, which NumPy guarantees to be the
    same in all versions.
    """
    order = np.random.RandomState(seed).permutation(count).astype(np.int64)
    train, val, last = torch.from_numpy(order).split([count - validation - test, validation, test])
    return train, val, last


def take(split: Split, indices: Tensor) -> Split:
    """The images at ``indices``, with their labels."""
    return Split(split.images[indices], None if split.labels is None else split.labels[indices])


def quantise(images: Tensor, stored: int, levels: int) -> Tensor:
    """Quantise uint8 images 0 .. stored-1 to 0 .. levels-1, levels <= stored: ⌊x · levels / stored⌋."""
    out = torch.empty_like(images)
    # In pieces, since the product of all images at once would need four times their memory.
    for source, target in zip(images.split(_CHUNK), out.split(_CHUNK), strict=True):
        target.copy_(source.int() * levels // stored)
    return out


def checksum(*splits: Split) -> str:
    """SHA-256 over each split's shape (``"(N, C, H, W)"``) and bytes, in order."""
    digest = hashlib.sha256()
    for split in splits:
        digest.update(str(tuple(split.images.shape)).encode())
        digest.update(split.images.flatten().numpy().data)
    return digest.hexdigest()


def files_sha256(files: Iterable[tuple[str, str | None]]) -> str:
    """SHA-256 over the lines ``"<sha256 of the file> <name>"``, sorted by name; independent of decoding.

    :param files: name of each file in the folder of the data, and its hash; None if it cannot be read
    """
    lines = sorted((unicodedata.normalize("NFC", name), sha256 or "unreadable") for name, sha256 in files)
    return hashlib.sha256("".join(f"{sha256} {name}\n" for name, sha256 in lines).encode()).hexdigest()


def equal_images(train: Split, validation: Split, test: Split) -> str:
    """Say how many images are equal to an image of another split; empty for none."""
    in_train, in_validation, in_test = (
        Counter(hashlib.sha256(image.numpy().data).digest() for image in split.images.contiguous())
        for split in (train, validation, test)
    )
    pairs = (
        ("test images are in train", in_test, in_train),
        ("validation images are in train", in_validation, in_train),
        ("test images are in validation", in_test, in_validation),
    )
    counted = [(sum(n for image, n in some.items() if image in others), text) for text, some, others in pairs]
    shared = [f"{count} {text}" for count, text in counted if count]
    return f"equal images in two splits: {', '.join(shared)} too" if shared else ""


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
    classes: tuple[str, ...] = (),
    names: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    files_sha256: str | None = None,
    settled: Mapping[str, str] | None = None,
) -> Dataset:
    """Make a data set of train, validation and test images 0 .. stored-1, quantised if levels are given."""
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
        classes=classes,
        names=names,
        files_sha256=files_sha256,
        settled=settled or {},
    )
