"""CelebA at 64x64: colour faces, in torchvision's layout."""

from itertools import chain
from pathlib import Path

from PIL import Image

from vaebench.contracts import Dataset, Split
from vaebench.datasets.download import found_or_downloaded
from vaebench.datasets.images import Unusable, read_all, read_picture
from vaebench.datasets.splits import Levels, assemble, files_sha256
from vaebench.errors import UsageError

SIZE = 64
WHOLE = (178, 218)
FACE = (15, 40, 163, 188)
"""Left, upper, right and lower edge of the 148x148 crop of an aligned picture."""
_FILES = "img_align_celeba/*.jpg and the list_*.txt and identity_CelebA.txt files"


def celeba64(root: Path, *, levels: Levels = None) -> Dataset:
    """Aligned CelebA (Liu et al. 2015), in its own splits: 162,770, 19,867 and 19,962 images.

    Columns 15 .. 162 and rows 40 .. 187 (Larsen et al. 2016, as in Vahdat & Kautz 2020), resized to 64x64 by
    Pillow's antialiased bilinear filter. There are no labels.

    :raises UsageError: if files are damaged, or missing and cannot be downloaded
    """
    read = [_decoded(root, files) for files in _names(root)]
    train, validation, test = (split for split, _ in read)
    return assemble(
        "celeba64",
        (train, validation, test),
        levels=levels,
        epochs=20,
        extractor="inception",
        files_sha256=files_sha256(chain.from_iterable(files for _, files in read)),
    )


def _names(root: Path) -> list[list[str]]:
    """The file names of train, validation and test."""
    from torchvision.datasets import CelebA

    return found_or_downloaded(
        "celeba64",
        root / "celeba",
        root,
        _FILES,
        lambda download: [
            CelebA(root, split, target_type=[], download=download).filename
            for split in ("train", "valid", "test")
        ],
    )


def _decoded(root: Path, names: list[str]) -> tuple[Split, list[tuple[str, str | None]]]:
    """Decode files; return their images, and their names and hashes."""
    place = root / "celeba" / "img_align_celeba"
    read = read_all([place / name for name in names], _face, (3, SIZE, SIZE))
    for row, why in read.unusable.items():
        raise UsageError(
            f"celeba64: {len(read.unusable)} damaged files; the first is {place / names[row]} ({why})"
        )
    return Split(read.images, None), list(zip(names, read.sha256, strict=True))


def _face(path: Path) -> Image.Image:
    whole = read_picture(path, least=min(WHOLE))
    if whole.size != WHOLE:
        raise Unusable(f"{whole.width}x{whole.height} instead of 178x218")
    return whole.crop(FACE).resize((SIZE, SIZE), Image.Resampling.BILINEAR)
