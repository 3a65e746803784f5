"""Laws of MNIST, Fashion-MNIST and binarised MNIST, on numbered images in their layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from published import numbers

from vaebench.contracts import Dataset
from vaebench.datasets.mnist import fashion_mnist, mnist
from vaebench.datasets.mnist_binary import draw, mnist_binary
from vaebench.errors import UsageError

GREY = (mnist, fashion_mnist)


@pytest.fixture(scope="module")
def grey(mnist_root: Path) -> Dataset:
    return mnist(mnist_root)


@pytest.fixture(scope="module")
def binary(mnist_root: Path) -> Dataset:
    torch.manual_seed(5)
    return mnist_binary(mnist_root)


@pytest.mark.parametrize("load", GREY)
def test_training_and_validation_share_out_the_training_file(
    load: Callable[[Path], Dataset], mnist_root: Path
) -> None:
    data = load(mnist_root)
    assert len(data.train.images) == 55_000
    both = np.concatenate([numbers(data.train), numbers(data.validation)])
    assert sorted(both.tolist()) == list(range(60_000))
    assert numbers(data.validation).tolist() == np.random.RandomState(0).permutation(60_000)[55_000:].tolist()
    assert numbers(data.test).tolist() == list(range(10_000))
    for split in (data.train, data.validation, data.test):
        assert split.labels.tolist() == (numbers(split) % 10).tolist()
        assert split.images.dtype == torch.uint8
    assert (data.image.channels, data.image.height, data.image.width, data.image.levels) == (1, 28, 28, 256)


def test_levels_quantise_all_splits(grey: Dataset, mnist_root: Path) -> None:
    data = mnist(mnist_root, levels=32)
    assert torch.equal(data.train.images, grey.train.images >> 3)
    assert torch.equal(data.validation.images, grey.validation.images >> 3)
    assert torch.equal(data.test.images, grey.test.images >> 3)
    assert data.image.levels == 32


def test_draws_have_the_mean_of_their_intensities() -> None:
    count = 20_000
    intensities = torch.arange(256).to(torch.uint8).reshape(1, 1, 16, 16)
    drawn = draw(intensities.expand(count, 1, 16, 16))
    assert drawn.dtype == torch.uint8
    p = torch.arange(256).double() / 255
    mean = drawn.double().mean(0).flatten()
    assert (mean[0], mean[255]) == (0, 1)
    z = ((mean - p) / (p * (1 - p) / count).sqrt())[1:-1]
    assert z.abs().max() < 5
    # The sum of 254 squared standard normals: 254 ± 22.5.
    assert abs(float(z.square().sum()) - 254) < 5 * 22.5


def test_draws_are_fresh_and_follow_torchs_seed(binary: Dataset) -> None:
    batch = binary.train.images[:64]
    torch.manual_seed(1)
    first, second = binary.draw(batch), binary.draw(batch)
    torch.manual_seed(1)
    assert torch.equal(first, binary.draw(batch))
    assert not torch.equal(first, second)
    assert first.shape == batch.shape
    assert set(first.unique().tolist()) == {0, 1}


def test_validation_and_test_are_binarised_once_by_the_stated_formula(
    grey: Dataset, binary: Dataset, mnist_root: Path
) -> None:
    u = np.random.RandomState(0).random_sample(15_000 * 784).reshape(-1, 1, 28, 28)
    expected = 255 * u < torch.cat([grey.validation.images, grey.test.images]).numpy()
    assert np.array_equal(binary.validation.images.numpy(), expected[:5_000])
    assert np.array_equal(binary.test.images.numpy(), expected[5_000:])
    assert torch.equal(binary.train.images, grey.train.images)
    assert binary.image.levels == 2
    assert "binary" in binary.image.tags
    torch.manual_seed(6)
    assert mnist_binary(mnist_root).checksum == binary.checksum != grey.checksum


@pytest.mark.usefixtures("mnist_mirror")
def test_absent_files_are_downloaded(grey: Dataset, tmp_path: Path) -> None:
    assert mnist(tmp_path / "new" / "root").checksum == grey.checksum


@pytest.mark.parametrize("load", [*GREY, mnist_binary])
@pytest.mark.usefixtures("no_network")
def test_without_files_and_network_one_line_says_where_they_belong(
    load: Callable[[Path], Dataset], tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as error:
        load(tmp_path)
    said = str(error.value)
    place = tmp_path / ("FashionMNIST" if load is fashion_mnist else "MNIST") / "raw"
    assert "\n" not in said
    assert str(place) in said
    assert "images-idx3" in said
    assert "--data-root" in said


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
@pytest.mark.parametrize("damage", ["short", "wrong magic", "fewer", "empty"])
@pytest.mark.usefixtures("no_network")
def test_damaged_files_are_one_line(name: str, damage: str, mnist_root: Path, tmp_path: Path) -> None:
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file in (mnist_root / "MNIST" / "raw").iterdir():
        (raw / file.name).symlink_to(file)
    whole = (raw / name).read_bytes()
    header = 4 * (1 + whole[3])
    item = 784 if whole[3] == 3 else 1
    fewer = whole[:4] + (100).to_bytes(4, "big") + whole[8 : header + 100 * item]
    content = {"short": whole[:-5], "wrong magic": b"\0\0\0\0" + whole[4:], "fewer": fewer, "empty": b""}
    (raw / name).unlink()
    (raw / name).write_bytes(content[damage])
    with pytest.raises(UsageError) as error:
        mnist(tmp_path)
    assert "\n" not in str(error.value)
    assert str(raw) in str(error.value)


@pytest.mark.parametrize(
    ("load", "checksum"),
    [
        (mnist, "1f79b0663ca734937a9f95e9b4a57968349de1f37fbbb0c252ef1924b4a0071e"),
        (fashion_mnist, "eafed7f9a8ed3d2b7dc8ef66d1beb8388c6ce329df19b65b35151d7bbd5a7a3c"),
        (mnist_binary, "cf042df30e11b8e5eb9a4011b67e9396b0c7c463053937aa513579da40121fab"),
    ],
)
def test_the_splits_are_those_on_record(
    load: Callable[[Path], Dataset], checksum: str, data_root: Path
) -> None:
    assert load(data_root).checksum == checksum
