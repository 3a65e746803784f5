"""Images as a person has them, tensors or arrays -> the integer tensors that models take."""

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset, ImageShape, Split
from vaebench.datasets.splits import checksum
from vaebench.errors import UsageError

Images: TypeAlias = Tensor | np.ndarray[Any, Any]


def as_images(x: Images, image: ImageShape, what: str = "images") -> Tensor:
    """Integer images (N, C, H, W) in 0 .. levels-1; uint8 stays uint8, all else becomes int64.

    :raises UsageError: for another shape, for reals, and for values outside the range
    """
    if not isinstance(x, Tensor | np.ndarray):
        raise UsageError(f"{what}: a tensor or an array is expected, not {type(x).__name__}")
    shape = tuple(x.shape)
    due = f"(N, {image.channels}, {image.height}, {image.width})"
    if len(shape) != 4 or shape[1:] != (image.channels, image.height, image.width):
        raise UsageError(f"{what} of shape {shape} were given where {due} is expected")
    if not shape[0]:
        raise UsageError(f"{what}: none were given; shape {due} with N >= 1 is expected")
    if not _whole(x):
        raise UsageError(
            f"{what} of type {str(x.dtype).removeprefix('torch.')} were given where integers 0 .. "
            f"{image.levels - 1} are expected: undo any scaling, then round to uint8"
        )
    out = (
        torch.from_numpy(x.astype(np.uint8 if x.dtype in (bool, np.uint8) else np.int64))
        if isinstance(x, np.ndarray)
        else x.to(torch.uint8 if x.dtype in (torch.bool, torch.uint8) else torch.int64)
    )
    low, high = int(out.min()), int(out.max())
    if low < 0 or high >= image.levels:
        raise UsageError(f"{what} have values {low} .. {high} where 0 .. {image.levels - 1} are expected")
    return out


def checked_dataset(dataset: Dataset) -> Dataset:
    """A data set that was put together in memory, with the checksum of its images.

    :raises UsageError: where a split is empty, or its images or labels are not what the data set says
    """
    splits = []
    for name in ("train", "validation", "test"):
        split, what = getattr(dataset, name), f"{dataset.name}, split {name}"
        images = as_images(split.images, dataset.image, what).to(torch.uint8).cpu().contiguous()
        labels = split.labels
        if labels is not None:
            labels = torch.as_tensor(labels).long().cpu()
            if labels.shape != images.shape[:1]:
                raise UsageError(f"{what}: {len(labels)} labels were given for {len(images)} images")
        splits.append(split._replace(images=images, labels=labels))
    train, validation, test = splits
    return replace(dataset, train=train, validation=validation, test=test, checksum=checksum(*splits))


def split_of(dataset: Dataset, name: str) -> Split:
    """The split of this name; UsageError for another name."""
    if name not in ("train", "validation", "test"):
        raise UsageError(f"split={name}: train, validation or test is expected")
    split: Split = getattr(dataset, name)
    return split


def _whole(x: Images) -> bool:
    if isinstance(x, np.ndarray):
        return x.dtype.kind in "uib"
    return not (x.dtype.is_floating_point or x.dtype.is_complex)
