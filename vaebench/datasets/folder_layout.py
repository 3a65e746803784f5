"""How a folder of images is laid out: its files in one order, the splits and classes that subfolders name."""

import os
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from vaebench.datasets.images import suffixes
from vaebench.datasets.splits import partition

_SPLITS = {"train": 0, "validation": 1, "valid": 1, "val": 1, "test": 2}


class Found(NamedTuple):
    """What lies below a folder."""

    files: list[PurePosixPath]
    """Relative to the folder, sorted by name; where subfolders are the splits, only what is in these."""
    given: frozenset[int]
    """The splits (0 train, 1 validation, 2 test) that subfolders are; empty unless train/ and test/ are."""
    outside: int
    """How many images are in none of the splits' folders."""
    others: int
    """How many files lack an image's suffix."""


class Layout(NamedTuple):
    """Indices of the three splits, and the classes (N,) int64, if any, of all files."""

    train: Tensor
    validation: Tensor
    test: Tensor
    labels: Tensor | None


def find(place: Path) -> Found:
    """Every file below ``place`` with a suffix that Pillow knows, in an order that any file system gives.

    Hidden files and folders are passed over; links to folders are followed, into each folder once.

    :raises OSError: where a folder cannot be listed
    """
    names = [PurePosixPath(file.relative_to(place).as_posix()) for file in _below(place)]
    known = suffixes()
    images = sorted((name for name in names if name.suffix.lower() in known), key=_order)
    given = frozenset(
        _SPLITS[entry.name.casefold()]
        for entry in place.iterdir()
        if entry.is_dir() and entry.name.casefold() in _SPLITS
    )
    others = len(names) - len(images)
    if not {0, 2} <= given:
        return Found(images, frozenset(), 0, others)
    inside = [image for image in images if _split(image) is not None]
    return Found(inside, given, len(images) - len(inside), others)


def _below(place: Path) -> list[Path]:
    files: list[Path] = []
    seen: set[str] = set()
    for folder, folders, names in os.walk(place, followlinks=True, onerror=_stop):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(folder, name) for name in names if not name.startswith(".")]
    return files


def _stop(error: OSError) -> None:
    raise error


def _order(file: PurePosixPath) -> tuple[str, str]:
    # Some file systems decompose accents in names; composed, they sort alike everywhere.
    return unicodedata.normalize("NFC", str(file)), str(file)


def _split(file: PurePosixPath) -> int | None:
    return _SPLITS.get(file.parts[0].casefold()) if len(file.parts) > 1 else None


def lay_out(
    files: Sequence[PurePosixPath], given: frozenset[int], validation: float, test: float, seed: int
) -> Layout:
    """The splits of ``files``: those that subfolders are, the others random, of these shares.

    A split may come out empty.
    """
    if not given:
        last = _share(len(files), test)
        sizes = min(_share(len(files), validation), len(files) - last), last
        return Layout(*partition(len(files), *sizes, seed), labels=_classes(files, 0))
    home = torch.tensor([_split(file) for file in files])
    train, valid, tested = ((home == split).nonzero().flatten() for split in range(3))
    if 1 not in given:
        first, second, _ = partition(len(train), _share(len(train), validation), 0, seed)
        train, valid = train[first], train[second]
    return Layout(train, valid, tested, _classes(files, 1))


def _share(count: int, share: float) -> int:
    return min(count, max(1, round(count * share)))


def _classes(files: Sequence[PurePosixPath], depth: int) -> Tensor | None:
    """The rank of each file's folder at ``depth``; None where a file is in none."""
    if any(len(file.parts) <= depth + 1 for file in files):
        return None
    names = [unicodedata.normalize("NFC", file.parts[depth]) for file in files]
    rank = {name: k for k, name in enumerate(sorted(set(names)))}
    return torch.tensor([rank[name] for name in names])
