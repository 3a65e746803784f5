"""Handwritten digits of 8x8 pixels, which come with scikit-learn."""

from pathlib import Path
from typing import Annotated

import torch
from msgspec import Meta

from vaebench.contracts import Dataset, Split
from vaebench.datasets.splits import assemble, partition, take

GREYS = 17
VALIDATION, TEST, SEED = 180, 360, 0


def digits(
    root: Path,
    *,
    levels: (
        Annotated[int, Meta(ge=2, le=GREYS, description="quantise pixels to this many levels; default: 17")]
        | None
    ) = None,
) -> Dataset:
    """1,797 images 1x8x8 of 17 greys (UCI, optical recognition of handwritten digits).

    Split at random from seed 0 into 1,257 train, 180 validation and 360 test images; ``root`` is not read.
    """
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images = torch.from_numpy(bunch.images).to(torch.uint8).unsqueeze(1)
    whole = Split(images, torch.from_numpy(bunch.target).long())
    train, validation, test = partition(len(images), VALIDATION, TEST, SEED)
    splits = take(whole, train), take(whole, validation), take(whole, test)
    return assemble("digits", splits, levels=levels, stored=GREYS, epochs=33, lr=8e-3, extractor="digits")
