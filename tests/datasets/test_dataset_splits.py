"""Laws of splits, quantisation and the checksum."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.composing.parameters import parameters_of
from vaebench.contracts import Split
from vaebench.datasets.celeba64 import celeba64
from vaebench.datasets.cifar10 import cifar10
from vaebench.datasets.digits import digits
from vaebench.datasets.folder import folder
from vaebench.datasets.mnist import fashion_mnist, mnist
from vaebench.datasets.mnist_binary import mnist_binary
from vaebench.datasets.splits import assemble, checksum, partition, quantise, take

shapes = st.tuples(*[st.integers(1, 4)] * 4)


@st.composite
def sizes(draw: st.DrawFn) -> tuple[int, int, int]:
    count = draw(st.integers(0, 200))
    validation = draw(st.integers(0, count))
    return count, validation, draw(st.integers(0, count - validation))


def images(shape: tuple[int, ...], seed: int) -> torch.Tensor:
    return torch.from_numpy(np.random.RandomState(seed).randint(0, 256, shape, np.uint8))


@given(sizes(), st.integers(0, 2**32 - 1))
def test_partition_is_disjoint_and_exhaustive_and_its_seeds_own(
    size: tuple[int, int, int], seed: int
) -> None:
    parts = partition(*size, seed)
    assert [len(p) for p in parts] == [size[0] - size[1] - size[2], size[1], size[2]]
    assert sorted(torch.cat(parts).tolist()) == list(range(size[0]))
    assert all(torch.equal(a, b) for a, b in zip(parts, partition(*size, seed), strict=True))


def test_partition_depends_on_its_seed() -> None:
    assert len({tuple(partition(50, 10, 10, seed)[2].tolist()) for seed in range(20)}) == 20


@given(st.integers(2, 256), st.data())
def test_quantisation_is_monotone_onto_and_even(stored: int, data: st.DataObject) -> None:
    levels = data.draw(st.integers(2, stored))
    grey = torch.arange(stored).to(torch.uint8).reshape(stored, 1, 1, 1)
    out = quantise(grey, stored, levels).flatten().long()
    assert out.tolist() == [x * levels // stored for x in range(stored)]
    assert (out.diff() >= 0).all()
    shares = out.bincount()
    assert len(shares) == levels
    assert shares.min() >= 1
    assert shares.max() - shares.min() <= 1


def test_quantisation_is_of_every_image() -> None:
    many = images((5_000, 1, 2, 2), 0)
    assert torch.equal(quantise(many, 256, 32), many >> 3)


@given(shapes, st.integers(0, 99), st.data())
def test_checksum_sees_every_byte_and_every_shape(
    shape: tuple[int, ...], seed: int, data: st.DataObject
) -> None:
    splits = [Split(images(shape, seed + k), None) for k in range(3)]
    before = checksum(*splits)
    which = data.draw(st.integers(0, 2))
    changed = splits[which].images.clone()
    changed.view(-1)[data.draw(st.integers(0, changed.numel() - 1))] ^= data.draw(st.integers(1, 255))
    after = list(splits)
    after[which] = Split(changed, None)
    assert checksum(*after) != before
    other = splits[which].images.reshape(1, *shape[:2], shape[2] * shape[3])
    after[which] = Split(other, None)
    assert (checksum(*after) == before) == (tuple(other.shape) == shape)


@given(shapes, st.integers(0, 99))
def test_checksum_is_of_values_not_of_memory(shape: tuple[int, ...], seed: int) -> None:
    plain = images(shape, seed)
    turned = plain.permute(3, 1, 0, 2).contiguous().permute(2, 1, 3, 0)
    assert checksum(Split(plain, None)) == checksum(Split(turned, torch.zeros(shape[0])))


def test_checksum_is_of_the_order_of_splits() -> None:
    a, b = Split(images((2, 1, 2, 2), 0), None), Split(images((2, 1, 2, 2), 1), None)
    assert checksum(a, b) != checksum(b, a)


@given(st.integers(2, 256))
def test_assembled_images_lie_within_their_levels(levels: int) -> None:
    whole = Split(torch.arange(256).to(torch.uint8).reshape(256, 1, 1, 1), torch.arange(256))
    parts = tuple(take(whole, rows) for rows in partition(256, 30, 40, 0))
    made = assemble("x", parts, levels=levels, epochs=1, extractor=None)
    seen = torch.cat([made.train.images, made.validation.images, made.test.images])
    assert seen.unique().tolist() == list(range(levels))
    assert made.image.levels == levels
    assert (made.binarisation is not None) == (levels == 2)
    for before, after in zip(parts, (made.train, made.validation, made.test), strict=True):
        assert torch.equal(before.labels, after.labels)


def test_the_parameters_of_every_data_set_can_be_read() -> None:
    quantised = (digits, mnist, fashion_mnist, cifar10, celeba64, folder)
    assert all("levels" in parameters_of(data) for data in quantised)
    assert all(p.meaning for data in quantised for p in parameters_of(data).values())
    assert parameters_of(mnist_binary) == {}
