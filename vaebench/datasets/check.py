"""Checks on a data set: integer images in their range, and labels that fit them."""

import math
import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset, ImageShape, Split
from vaebench.errors import UsageError
from vaebench.text import one_line

_MOST_LEVELS = 256
_SHA256 = re.compile("[0-9a-f]{64}")
_SEEN = 16
"""How many training images are drawn once to check ``draw``."""


def checked(label: str, given: Any) -> Dataset:
    """Check a data set; return it with Python numbers and with uint8 and int64 tensors on the CPU.

    :param label: the data set and its package, for messages
    :raises UsageError: naming the split, what was given and what is expected
    """
    if not isinstance(given, Dataset):
        raise UsageError(f"{label}: it gives {_kind(given)}, where a vaebench.contracts.Dataset is expected")
    if not isinstance(given.name, str) or not given.name.strip():
        raise UsageError(f"{label}: its name is {one_line(repr(given.name))}, where text is expected")
    if not isinstance(given.checksum, str) or not _SHA256.fullmatch(given.checksum):
        raise UsageError(
            f"{label}: its checksum is {one_line(repr(given.checksum))}, where 64 digits 0 .. 9, a .. f are "
            "expected, as vaebench.datasets.splits.checksum gives"
        )
    for name in ("extractor", "binarisation", "files_sha256"):
        value = getattr(given, name)
        if not isinstance(value, str | None):
            raise UsageError(f"{label}: its {name} is {_kind(value)}, where text or None is expected")
    image = _image(label, given.image)
    train, validation, test = (
        _split(f"{label}: its {name} split", getattr(given, name), image, drawn=drawn, empty=empty)
        for name, drawn, empty in (
            ("train", given.draw is not None, False),
            ("validation", False, True),
            ("test", False, False),
        )
    )
    _check_draw(label, given, train.images, image)
    classes = _texts(label, "classes", given.classes)
    _check_classes(label, classes, train, validation, test)
    _check_names(label, given.names, {"train": train, "validation": validation, "test": test})
    return replace(
        given,
        image=image,
        train=train,
        validation=validation,
        test=test,
        epochs=_positive(label, "epochs", given.epochs),
        lr=_positive(label, "lr", given.lr),
        notes=_texts(label, "notes", given.notes),
        classes=classes,
    )


def _image(label: str, image: Any) -> ImageShape:
    if not isinstance(image, ImageShape):
        raise UsageError(f"{label}: its image is {_kind(image)}, where an ImageShape is expected")
    numbers = {}
    for name, least in (("channels", 1), ("height", 1), ("width", 1), ("levels", 2)):
        most = _MOST_LEVELS if name == "levels" else None
        value = getattr(image, name)
        try:
            numbers[name] = operator.index(value)
        except TypeError:
            numbers[name] = -1
        if numbers[name] < least or (most is not None and numbers[name] > most):
            range_ = f"an integer from {least} to {most}" if most else f"an integer >= {least}"
            raise UsageError(
                f"{label}: its image.{name} is {one_line(repr(value))}, where {range_} is expected"
            )
    return ImageShape(**numbers)


def _split(where: str, split: Any, image: ImageShape, *, drawn: bool, empty: bool) -> Split:
    """Check one split.

    :param drawn: whether the model sees ``draw`` of these images, whose stored values are then not checked
    :param empty: whether the split may have no images
    """
    if not isinstance(split, tuple) or len(split) != 2:
        raise UsageError(f"{where} is {_kind(split)}, where a Split of images and labels is expected")
    images = _tensor(split[0])
    if images is None or images.ndim == 0:
        raise UsageError(f"{where} has {_kind(split[0])} for images, where {_expected(image)} are expected")
    if not len(images):
        if not empty:
            raise UsageError(f"{where} is empty, where {_expected(image)} are expected")
        shape = (0, image.channels, image.height, image.width)
        images = torch.zeros(shape, dtype=torch.uint8)
    elif not drawn:
        images = _pixels(where, images, image)
    return Split(images, _labels(where, split[1], len(images)))


def _pixels(where: str, images: Tensor, image: ImageShape) -> Tensor:
    """Check images (N, C, H, W) and convert them to uint8."""
    if tuple(images.shape[1:]) != (image.channels, image.height, image.width) or images.ndim != 4:
        raise UsageError(
            f"{where} has the shape {tuple(images.shape)}, where {_expected(image)} are expected"
        )
    if images.is_floating_point() or images.is_complex():
        raise UsageError(f"{where} has {_values(images)}, where {_expected(image)} are expected")
    if images.dtype == torch.uint8 and image.levels == _MOST_LEVELS:
        return images
    whole = images if images.dtype == torch.uint8 else images.long()
    least, most = int(whole.min()), int(whole.max())
    if least < 0 or most >= image.levels:
        raise UsageError(f"{where} has {_values(whole)}, where {_expected(image)} are expected")
    return whole.to(torch.uint8)


def _labels(where: str, given: Any, count: int) -> Tensor | None:
    """Check labels (N,) and convert them to int64."""
    if given is None:
        return None
    expected = f"none, or {count} integers >= 0, one for each image, are expected"
    labels = _tensor(given)
    if labels is None:
        raise UsageError(f"{where} has {_kind(given)} for labels, where {expected}")
    if tuple(labels.shape) != (count,):
        raise UsageError(f"{where} has labels of the shape {tuple(labels.shape)}, where {expected}")
    if not count:
        return labels.long()
    if labels.is_floating_point() or labels.is_complex():
        raise UsageError(f"{where} has labels of {_values(labels)}, where {expected}")
    if int(labels.long().min()) < 0:
        raise UsageError(f"{where} has labels of {_values(labels.long())}, where {expected}")
    return labels.long()


def _check_draw(label: str, data: Dataset, stored: Tensor, image: ImageShape) -> None:
    if data.draw is None:
        return
    if not callable(data.draw):
        raise UsageError(f"{label}: its draw is {_kind(data.draw)}, where a function is expected")
    with torch.random.fork_rng(devices=[]):
        drawn = _tensor(data.draw(stored[:_SEEN]))
    where = f"{label}: what draw makes of its train split"
    if drawn is None or len(drawn) != len(stored[:_SEEN]):
        raise UsageError(f"{where} is {_kind(drawn)}, where {_expected(image)} are expected, one for each")
    _pixels(where, drawn, image)


def _check_classes(label: str, classes: tuple[str, ...], *splits: Split) -> None:
    most = max((int(s.labels.max()) for s in splits if s.labels is not None and len(s.labels)), default=-1)
    if classes and most >= len(classes):
        raise UsageError(
            f"{label}: it names {len(classes)} classes and has the label {most}, "
            "where a name for each is expected"
        )


def _check_names(label: str, names: Any, splits: Mapping[str, Split]) -> None:
    """Check that each split that has file names has one for each image."""
    if not isinstance(names, Mapping):
        raise UsageError(f"{label}: its names are {_kind(names)}, where a table of splits is expected")
    for split, files in names.items():
        if split not in splits:
            raise UsageError(
                f"{label}: it names files of {one_line(split)}, where {', '.join(splits)} are expected"
            )
        files = _texts(label, f"names of {split}", files)
        if len(files) != len(splits[split].images):
            raise UsageError(
                f"{label}: it names {len(files)} files of its {split} split, "
                f"where {len(splits[split].images)} are expected, one for each image"
            )


def _tensor(given: Any) -> Tensor | None:
    """Convert a tensor or an array to a tensor on the CPU; None for anything else."""
    if isinstance(given, np.ndarray):  # torch accepts neither another byte order nor read-only memory
        given = np.array(given, dtype=given.dtype.newbyteorder("="))
    try:
        tensor = torch.as_tensor(given).detach().cpu()
        return tensor if tensor.layout == torch.strided else tensor.to_dense()
    except (TypeError, ValueError, RuntimeError):
        return None


def _positive(label: str, name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 < number < math.inf:
        raise UsageError(f"{label}: its {name} is {one_line(repr(value))}, where a number > 0 is expected")
    return number


def _texts(label: str, name: str, given: Any) -> tuple[str, ...]:
    if (
        isinstance(given, str)
        or not isinstance(given, Sequence)
        or not all(isinstance(t, str) for t in given)
    ):
        raise UsageError(
            f"{label}: its {name} are {one_line(repr(given))}, where a tuple of texts is expected"
        )
    return tuple(given)


def _expected(image: ImageShape) -> str:
    shape = f"(N, {image.channels}, {image.height}, {image.width})"
    return f"integers 0 .. {image.levels - 1} of shape {shape}"


def _values(values: Tensor) -> str:
    """Describe values, as in ``"float32 values from 0.0 to 1.0, 3 of them NaN"``."""
    kind = str(values.dtype).removeprefix("torch.")
    if values.is_complex():
        return f"{kind} values"
    absent = int(values.isnan().sum())
    numbers = values[~values.isnan()]
    span = f" from {numbers.min().item():g} to {numbers.max().item():g}" if len(numbers) else ""
    return f"{kind} values{span}" + (f", {absent} of them NaN" if absent else "")


def _kind(given: Any) -> str:
    name = type(given).__name__
    return "nothing" if given is None else f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"
