"""Laws of what is let in: a data set that breaks its promise is refused in one line."""

import dataclasses
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vaebench.composing.spec import parse_data
from vaebench.contracts import Dataset, ImageShape, Split
from vaebench.datasets.check import checked
from vaebench.datasets.load import load
from vaebench.datasets.splits import checksum
from vaebench.errors import UsageError
from vaebench.hookspecs import Entry
from vaebench.registry import Registered, Registry

SHAPE = ImageShape(1, 4, 5, levels=17)


def pixels(count: int, levels: int = 17, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, (count, 1, 4, 5), generator=generator).to(torch.uint8)


def good() -> Dataset:
    train, validation, test = (Split(pixels(n, seed=n), torch.arange(n) % 3) for n in (20, 5, 7))
    return Dataset("speckles", SHAPE, train, validation, test, checksum(train, validation, test))


class Shelf:
    """What the plugin of these tests gives; a registry finds it here by name."""

    given: Any = None


def speckles(root: Path) -> Any:
    """The data set of a stranger's plugin."""
    return Shelf.given


def admitted(given: Any) -> Dataset:
    Shelf.given = given
    entry = Entry("dataset", "speckles", f"{__name__}:speckles", "speckles")
    spec, dataset = load(parse_data("speckles"), Registry([Registered(entry, "stranger", "1.5")]), Path())
    assert str(spec) == "speckles"
    return dataset


def refused(given: Any) -> str:
    with pytest.raises(UsageError) as error:
        admitted(given)
    assert error.value.exit_code == 2
    text = str(error.value)
    assert text.startswith("data set speckles of package stranger 1.5: ")
    assert "expected" in text
    assert "\n" not in text
    return text


def with_split(name: str, images: Any, labels: Any = None) -> Dataset:
    return dataclasses.replace(good(), **{name: Split(images, labels)})


EXPECTED = "integers 0 .. 16 of shape (N, 1, 4, 5) are expected"

# What a split holds in place of images -> what is said of it.
IMAGES: dict[str, tuple[Callable[[], Any], str]] = {
    "floats in [0, 1]": (lambda: pixels(6).float() / 16, "float32 values from 0 to 1"),
    "doubles": (lambda: pixels(6).double() / 32, "float64 values from 0 to 0.5"),
    "halves": (lambda: pixels(6).half() - 1, "float16 values from -1 to 15"),
    "NaN": (lambda: torch.full((6, 1, 4, 5), math.nan), "float32 values, 120 of them NaN"),
    "some NaN": (
        lambda: torch.where(torch.arange(120).reshape(6, 1, 4, 5) < 3, math.nan, 0.5),
        "from 0.5 to 0.5, 3 of them NaN",
    ),
    "infinity": (lambda: torch.full((6, 1, 4, 5), math.inf), "from inf to inf"),
    "too bright": (lambda: pixels(6) + 1, "uint8 values from 1 to 17"),
    "far too bright": (lambda: pixels(6).int() * 1000, "int64 values from 0 to 16000"),
    "negative": (lambda: pixels(6).long() - 1, "int64 values from -1 to 15"),
    "complex": (lambda: pixels(6).to(torch.complex64), "complex64 values"),
    "no channels": (lambda: pixels(6)[:, 0], "the shape (6, 4, 5)"),
    "channels last": (lambda: pixels(6).permute(0, 2, 3, 1), "the shape (6, 4, 5, 1)"),
    "flat": (lambda: pixels(6).flatten(1), "the shape (6, 20)"),
    "another size": (lambda: pixels(6)[..., :3], "the shape (6, 1, 4, 3)"),
    "a number": (lambda: 3, "an int for images"),
    "a list of texts": (lambda: ["a.png"], "a list for images"),
    "nothing": (lambda: None, "nothing for images"),
    "an array of floats": (lambda: (pixels(6).float() / 16).numpy(), "float32 values from 0 to 1"),
}


@pytest.mark.parametrize("name", ["train", "validation", "test"])
@pytest.mark.parametrize("kind", IMAGES)
def test_images_that_are_not_as_promised_are_refused(kind: str, name: str) -> None:
    make, text = IMAGES[kind]
    line = refused(with_split(name, make()))
    assert f": its {name} split has " in line
    assert text in line
    assert line.endswith(EXPECTED)


@pytest.mark.parametrize("name", ["train", "test"])
@pytest.mark.parametrize("empty", [pixels(0), pixels(0)[:, 0], torch.zeros(0)])
def test_an_empty_split_is_refused(name: str, empty: Tensor) -> None:
    assert f"its {name} split is empty" in refused(with_split(name, empty))


@pytest.mark.parametrize("empty", [pixels(0), torch.zeros(0), np.zeros((0, 3))])
def test_an_empty_validation_split_is_let_in(empty: Any) -> None:
    validation = admitted(with_split("validation", empty)).validation
    assert (tuple(validation.images.shape), validation.images.dtype) == ((0, 1, 4, 5), torch.uint8)


# Labels of seven images -> what is said of them.
LABELS: dict[str, tuple[Any, str]] = {
    "another length": (torch.arange(6), "labels of the shape (6,)"),
    "a column": (torch.arange(7)[:, None], "labels of the shape (7, 1)"),
    "one-hot": (torch.eye(7), "labels of the shape (7, 7)"),
    "floats": (torch.arange(7) / 2, "labels of float32 values from 0 to 3"),
    "negative": (torch.arange(7) - 1, "labels of int64 values from -1 to 5"),
    "texts": (["cat"] * 7, "a list for labels"),
    "a number": (3, "labels of the shape ()"),
}


@pytest.mark.parametrize("kind", LABELS)
def test_labels_that_fit_no_images_are_refused(kind: str) -> None:
    labels, text = LABELS[kind]
    line = refused(with_split("test", pixels(7), labels))
    assert f"its test split has {text}" in line
    assert "7 integers >= 0, one for each image" in line


# A field's value -> what is said of it.
FIELDS: dict[str, tuple[dict[str, Any], str]] = {
    "levels 1": (
        {"image": ImageShape(1, 4, 5, levels=1)},
        "image.levels is 1, where an integer from 2 to 256",
    ),
    "levels 65536": ({"image": ImageShape(1, 4, 5, levels=65536)}, "image.levels is 65536"),
    "levels a float": ({"image": ImageShape(1, 4, 5, levels=17.0)}, "image.levels is 17.0"),  # type: ignore[arg-type]
    "height 0": ({"image": ImageShape(1, 0, 5)}, "image.height is 0, where an integer >= 1"),
    "image a tuple": ({"image": (1, 4, 5)}, "image is a tuple"),
    "split a tensor": ({"test": pixels(7)}, "test split is a Tensor, where a Split"),
    "no split": ({"train": None}, "train split is nothing"),
    "no checksum": ({"checksum": ""}, "checksum is ''"),
    "a checksum of another kind": ({"checksum": "ab" * 16}, "checksum is 'abab"),
    "no name": ({"name": " "}, "name is ' '"),
    "lr 0": ({"lr": 0}, "lr is 0, where a number > 0"),
    "lr a text": ({"lr": "fast"}, "lr is 'fast'"),
    "epochs NaN": ({"epochs": math.nan}, "epochs is nan"),
    "one note": ({"notes": "beware"}, "notes are 'beware', where a tuple of texts"),
    "too few classes": ({"classes": ("cat", "dog")}, "it names 2 classes and has the label 2"),
    "numbers for classes": ({"classes": (0, 1, 2)}, "classes are (0, 1, 2)"),
    "draw gives floats": (
        {"draw": lambda x: x / 16},
        "what draw makes of its train split has float32 values",
    ),
    "draw loses images": ({"draw": lambda x: x[:3]}, "what draw makes of its train split"),
    "draw is too bright": ({"draw": lambda x: x + 1}, "uint8 values from 1 to 17"),
    "draw gives nothing": ({"draw": lambda x: None}, "what draw makes of its train split is nothing"),
}


@pytest.mark.parametrize("kind", FIELDS)
def test_fields_that_are_not_as_promised_are_refused(kind: str) -> None:
    changes, text = FIELDS[kind]
    assert text in refused(dataclasses.replace(good(), **changes))


@pytest.mark.parametrize("given", [None, 3, (1, 2, 3), "digits"])
def test_what_is_no_data_set_is_refused(given: Any) -> None:
    assert "where a vaebench.contracts.Dataset is expected" in refused(given)


@pytest.mark.parametrize("names", [["a.png"], {"tests": ()}, {"test": ("a.png",)}])
def test_file_names_that_fit_no_images_are_refused(names: Any) -> None:
    assert "names" in refused(dataclasses.replace(good(), names=names))


def same(a: Dataset, b: Dataset) -> bool:
    return all(
        torch.equal(x.images, y.images) and torch.equal(x.labels, y.labels)  # type: ignore[arg-type]
        for x, y in zip((a.train, a.validation, a.test), (b.train, b.validation, b.test), strict=True)
    )


def numpys(dtype: str) -> Callable[[Tensor], Any]:
    return lambda tensor: tensor.numpy().astype(dtype)


def frozen(tensor: Tensor) -> Any:
    array = tensor.numpy().copy()
    array.flags.writeable = False
    return array


HARMLESS: dict[str, Callable[[Tensor], Any]] = {
    "as promised": lambda tensor: tensor,
    "int64": lambda tensor: tensor.long(),
    "int8": lambda tensor: tensor.to(torch.int8),
    "uint16": numpys("uint16"),
    "an array": lambda tensor: tensor.numpy(),
    "an array of another byte order": numpys(">i4"),
    "an array that is read-only": frozen,
    "turned in memory": lambda tensor: tensor.transpose(0, -1).contiguous().transpose(0, -1),
}


@pytest.mark.parametrize("kind", HARMLESS)
def test_harmless_kinds_of_integers_are_accepted(kind: str) -> None:
    change = HARMLESS[kind]
    data = good()
    changed = {
        name: Split(change(getattr(data, name).images), change(getattr(data, name).labels))
        for name in ("train", "validation", "test")
    }
    let_in = admitted(dataclasses.replace(data, **changed))
    assert same(let_in, data)
    for split in (let_in.train, let_in.validation, let_in.test):
        assert (split.images.dtype, split.labels.dtype) == (torch.uint8, torch.int64)


def test_truth_values_are_binary_pixels() -> None:
    data = dataclasses.replace(good(), image=ImageShape(1, 4, 5, levels=2))
    binary = {n: Split(getattr(data, n).images > 8, None) for n in ("train", "validation", "test")}
    assert torch.equal(
        admitted(dataclasses.replace(data, **binary)).test.images, (data.test.images > 8).byte()
    )


@given(
    st.sampled_from([np.int8, np.int32, np.uint8, np.int64]), st.sampled_from([np.float32, np.float64, int])
)
def test_numbers_of_numpy_become_pythons(whole: Any, real: Any) -> None:
    shape = ImageShape(*map(whole, (1, 4, 5, 17)))
    image = admitted(dataclasses.replace(good(), image=shape, lr=real(1), epochs=real(3), notes=["a"])).image
    assert image == SHAPE
    assert all(type(value) is int for value in (image.channels, image.height, image.width, image.levels))
    assert type(Shelf.given.lr) is not float or real is np.float64


def test_what_draw_is_given_may_have_a_range_of_its_own() -> None:
    stored = Split(pixels(20, 256), None)
    data = dataclasses.replace(good(), train=stored, draw=lambda x: x // 16)
    assert torch.equal(admitted(data).train.images, stored.images)


def test_the_check_takes_nothing_from_the_random_stream() -> None:
    data = dataclasses.replace(good(), draw=lambda x: torch.bernoulli(x.float() / 17).byte())
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    admitted(data)
    assert torch.equal(torch.rand(3), expected)


def test_a_parameter_that_is_settled_is_said_even_at_its_default() -> None:
    settled = dataclasses.replace(good(), settled={"way": "new"})

    def of_way(root: Path, *, way: str = "new") -> Dataset:
        return settled

    Shelf.of_way = staticmethod(of_way)  # type: ignore[attr-defined]
    entry = Entry("dataset", "speckles", f"{__name__}:Shelf.of_way", "speckles")
    spec, _ = load(parse_data("speckles"), Registry([Registered(entry, "stranger", "1.5")]), Path())
    assert str(spec) == "speckles,way=new"
    assert re.fullmatch("[a-z=,]+", str(spec))


@pytest.mark.parametrize(
    "wrong",
    [{"draw": 3}, {"names": {"train": 5}}, {"names": {"train": (1, 2)}}]
    + [{name: 5} for name in ("extractor", "binarisation", "files_sha256")],
    ids=str,
)
def test_a_field_of_another_type_is_refused(wrong: dict[str, object]) -> None:
    split = Split(torch.zeros(2, 1, 4, 4, dtype=torch.uint8), None)
    whole: dict[str, object] = {"train": split, "validation": split, "test": split, "checksum": "0" * 64}
    data = Dataset(**(whole | {"name": "x", "image": ImageShape(1, 4, 4)} | wrong))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=f"its .*{next(iter(wrong))}.* expected"):
        checked("plugin", data)


def test_sparse_images_become_dense() -> None:
    split = Split(torch.ones(2, 1, 4, 4, dtype=torch.uint8), None)
    sparse = Split(split.images.to_sparse(), None)
    data = Dataset("x", ImageShape(1, 4, 4, 2), sparse, split, split, "0" * 64)
    assert torch.equal(checked("plugin", data).train.images, split.images)
