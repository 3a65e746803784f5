"""Laws of the embedded digits."""

from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from vaebench.datasets.digits import GREYS, digits

NOWHERE = Path("nowhere")


def test_every_digit_is_in_exactly_one_split() -> None:
    data = digits(NOWHERE)
    assert [len(s.images) for s in (data.train, data.validation, data.test)] == [1257, 180, 360]
    rows = [
        (label, bytes(image.flatten().tolist()))
        for split in (data.train, data.validation, data.test)
        for image, label in zip(split.images, split.labels.tolist(), strict=True)
    ]
    truth = load_digits()
    assert sorted(rows) == sorted(
        (int(label), bytes(image.astype(int).ravel().tolist()))
        for image, label in zip(truth.images, truth.target, strict=True)
    )
    assert data.image.levels == int(truth.images.max()) + 1


@pytest.mark.parametrize("levels", range(2, GREYS + 1))
def test_levels_are_those_asked_for(levels: int) -> None:
    plain, data = digits(NOWHERE), digits(NOWHERE, levels=levels)
    assert data.image.levels == levels
    assert int(data.train.images.max()) == levels - 1
    assert torch.equal(data.test.images.long(), plain.test.images.long() * levels // GREYS)
    assert (data.checksum == plain.checksum) == (levels == GREYS)


def test_the_split_is_the_one_on_record() -> None:
    # Records carry this checksum: another split would be another benchmark.
    assert digits(NOWHERE).checksum == "36949186e4a07f85af82320f7ab3e6a028241496436980000b5ff3a5da2d73e0"
