"""CIFAR-10: 32x32 colour."""

import tarfile
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch

from vaebench.contracts import Dataset, Split
from vaebench.datasets.download import found_or_downloaded
from vaebench.datasets.splits import Levels, assemble, take

VALIDATION, SEED = 5_000, 11172018
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def cifar10(root: Path, *, levels: Levels = None) -> Dataset:
    """CIFAR-10 (Krizhevsky 2009): 45,000 train, 5,000 validation and 10,000 test images.

    The validation split is that of Child 2021: scikit-learn's ``train_test_split``, random state 11172018.
    """
    from sklearn.model_selection import train_test_split

    train, test = found_or_downloaded(
        "cifar10",
        root / "cifar-10-batches-py",
        root,
        "the contents of cifar-10-python.tar.gz",
        lambda download: _both(root, download),
    )
    first, validation = train_test_split(
        np.arange(len(train.images)), test_size=VALIDATION, random_state=SEED
    )
    splits = take(train, torch.from_numpy(first)), take(train, torch.from_numpy(validation)), test
    return assemble("cifar10", splits, levels=levels, epochs=50, extractor="inception", classes=CLASSES)


def _both(root: Path, download: bool) -> tuple[Split, Split]:
    packed = root / "cifar-10-python.tar.gz"
    if download or (root / "cifar-10-batches-py").exists() or not packed.exists():
        return _read(root, True, download), _read(root, False, download)
    with TemporaryDirectory() as temporary:  # the data root may be read-only
        with tarfile.open(packed) as archive:
            archive.extractall(temporary, filter="data")
        return _read(Path(temporary), True, False), _read(Path(temporary), False, False)


def _read(root: Path, train: bool, download: bool) -> Split:
    from torchvision.datasets import CIFAR10

    with warnings.catch_warnings():
        # The files were pickled by Python 2, whose dtypes NumPy 2.4 reads with a warning.
        warnings.filterwarnings("ignore", message=".*align should be passed")
        data = CIFAR10(root, train=train, download=download)
    images = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return Split(images, torch.tensor(data.targets))
