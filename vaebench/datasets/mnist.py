"""MNIST and Fashion-MNIST: 28x28 grey, in torchvision's layout."""

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from vaebench.contracts import Dataset, Split
from vaebench.datasets.download import found_or_downloaded
from vaebench.datasets.splits import Levels, assemble, partition, take

if TYPE_CHECKING:
    from torchvision.datasets import MNIST

VALIDATION, SEED = 5_000, 0
_NAMES = tuple(
    f"{split}-{kind}-ubyte" for split in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)
_FILES = "{train,t10k}-{images-idx3,labels-idx1}-ubyte (or the same with .gz)"


def mnist(root: Path, *, levels: Levels = None) -> Dataset:
    """Digits (LeCun, Cortes & Burges): 55,000 train, 5,000 validation (seed 0) and 10,000 test images."""
    from torchvision.datasets import MNIST

    splits = read("mnist", MNIST, root)
    return assemble("mnist", splits, levels=levels, epochs=20, extractor="mnist")


def fashion_mnist(root: Path, *, levels: Levels = None) -> Dataset:
    """Clothes (Xiao, Rasul & Vollgraf 2017): 55,000 train, 5,000 validation (seed 0), 10,000 test images."""
    from torchvision.datasets import FashionMNIST

    splits = read("fashion-mnist", FashionMNIST, root)
    return assemble(
        "fashion-mnist",
        splits,
        levels=levels,
        epochs=20,
        extractor="fashion-mnist",
        classes=tuple(FashionMNIST.classes),
    )


def read(name: str, source: "type[MNIST]", root: Path) -> tuple[Split, Split, Split]:
    """Train, validation and test in 0 .. 255; validation is 5,000 of 60,000, by ``partition``, seed 0.

    :raises UsageError: if the files are missing and cannot be downloaded
    """
    place = root / source.__name__ / "raw"

    def both(download: bool) -> tuple[Split, Split]:
        with nullcontext(root) if download else _unpacked(place, root) as folder:
            sets = [source(folder, train=train, download=download) for train in (True, False)]
        train, test = (Split(s.data.unsqueeze(1), s.targets) for s in sets)
        _check(train, 60_000)
        _check(test, 10_000)
        return train, test

    train, test = found_or_downloaded(name, place, root, _FILES, both)
    first, validation, _ = partition(len(train.images), VALIDATION, 0, SEED)
    return take(train, first), take(train, validation), test


@contextmanager
def _unpacked(place: Path, root: Path) -> Iterator[Path]:
    """A data root with the unpacked files: this one, or a temporary one if some exist only as .gz."""
    if all((place / name).exists() for name in _NAMES):
        yield root
        return
    with TemporaryDirectory() as temporary:
        unpacked = Path(temporary, place.relative_to(root))
        unpacked.mkdir(parents=True)
        for name in _NAMES:
            plain = (place / name).exists()
            with (
                (place / name).open("rb") if plain else gzip.open(place / f"{name}.gz") as source,
                (unpacked / name).open("wb") as target,
            ):
                shutil.copyfileobj(source, target)
        yield Path(temporary)


def _check(split: Split, count: int) -> None:
    assert split.labels is not None
    if tuple(split.images.shape) != (count, 1, 28, 28) or len(split.labels) != count:
        actual = f"{tuple(split.images.shape)} and {len(split.labels)}"
        raise ValueError(
            f"images and labels must have the sizes ({count}, 1, 28, 28) and {count}, not {actual}"
        )
