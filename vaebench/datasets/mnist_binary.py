"""Binarised MNIST: training images are binarised at each draw, validation and test images once."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset, ImageShape, Split
from vaebench.datasets.mnist import read
from vaebench.datasets.splits import checksum

SEED = 0


def mnist_binary(root: Path) -> Dataset:
    """MNIST with each pixel x in 0 .. 255 made 1 with probability x/255, else 0; splits as ``mnist``.

    ``train.images`` keeps the grey values, and ``draw`` binarises them anew each time: whatever uses
    training images (training, the histogram, the reference of FID) draws them first. Validation, then test,
    were binarised once, by 255·u < x with u from ``numpy.random.RandomState(0).random_sample``, a stream
    that NumPy guarantees. ``image.levels`` is 2, as a model sees and scores binary images.
    """
    from torchvision.datasets import MNIST

    train, validation, test = read("mnist-binary", MNIST, root)
    uniform = np.random.RandomState(SEED)
    validation, test = _binarised(validation, uniform), _binarised(test, uniform)
    return Dataset(
        name="mnist-binary",
        image=ImageShape(1, 28, 28, levels=2),
        train=train,
        validation=validation,
        test=test,
        checksum=checksum(train, validation, test),
        extractor="mnist",
        binarisation=f"train: Bernoulli, fresh each draw; validation, test: Bernoulli once, seed {SEED}",
        draw=draw,
        epochs=20,
    )


def draw(intensities: Tensor) -> Tensor:
    """Draw x ~ Bernoulli(intensity / 255), uint8 (B, C, H, W), from torch's default generator."""
    return torch.bernoulli(intensities.float() / 255).to(torch.uint8)


def _binarised(split: Split, uniform: np.random.RandomState) -> Split:
    u = torch.from_numpy(uniform.random_sample(tuple(split.images.shape)))
    return Split((255 * u < split.images).to(torch.uint8), split.labels)
