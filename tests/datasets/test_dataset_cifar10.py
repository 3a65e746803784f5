"""Laws of CIFAR-10, on numbered images in its layout and under md5 sums that are checked."""

from pathlib import Path

import numpy as np
import pytest
import torch
from published import numbered, numbers

from vaebench.datasets.cifar10 import cifar10
from vaebench.errors import UsageError


def test_validation_is_the_one_of_child_2021(cifar_root: Path) -> None:
    data = cifar10(cifar_root)
    # What train_test_split draws: a permutation, of which the first 5,000 are held out.
    order = np.random.RandomState(11172018).permutation(6_000)
    assert numbers(data.validation).tolist() == order[:5_000].tolist()
    assert numbers(data.train).tolist() == order[5_000:].tolist()
    assert numbers(data.test).tolist() == list(range(50))


def test_channels_come_first_and_labels_stay_with_their_images(cifar_root: Path) -> None:
    data = cifar10(cifar_root)
    source = torch.from_numpy(numbered(6_000, (3, 32, 32)))
    for split in (data.train, data.validation):
        assert torch.equal(split.images, source[torch.from_numpy(numbers(split).astype(np.int64))])
        assert split.labels.tolist() == (numbers(split) % 1_200 % 10).tolist()
    assert (data.image.channels, data.image.height, data.image.width, data.image.levels) == (3, 32, 32, 256)
    coarse = cifar10(cifar_root, levels=8)
    assert torch.equal(coarse.test.images, data.test.images >> 5)


@pytest.mark.usefixtures("no_network")
def test_a_changed_byte_is_refused(cifar_root: Path) -> None:
    batch = cifar_root / "cifar-10-batches-py" / "data_batch_3"
    content = bytearray(batch.read_bytes())
    content[len(content) // 2] ^= 1
    batch.write_bytes(content)
    with pytest.raises(UsageError, match="cifar-10-batches-py") as error:
        cifar10(cifar_root)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("no_network")
def test_absent_files_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cifar-10-python\.tar\.gz there") as error:
        cifar10(tmp_path)
    assert "\n" not in str(error.value)
