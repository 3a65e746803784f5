"""Image files to uint8 tensors: any format that Pillow reads, decoded in threads."""

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from vaebench.errors import UsageError
from vaebench.text import one_line

PIXELS = 2**26
"""A file of more pixels than this is taken for a decompression bomb."""
_DRAFT = 3
_RUN = 64


class Unusable(Exception):  # noqa: N818
    """A file that cannot be used as an image; the text says why."""


def read_picture(path: Path, least: int) -> Image.Image:
    """The first frame of a file as 8-bit RGB, upright by its EXIF orientation, on white where transparent.

    16-bit greys keep their upper 8 bits. A JPEG much larger than ``least`` may come back smaller, by a whole
    factor, with both sides still at least three times ``least``.

    :raises Unusable: for a side below ``least``, more than ``PIXELS`` pixels, or values of unknown range;
        Pillow raises what it likes for damaged files
    """
    if not path.is_file():
        raise Unusable("not a file")
    with Image.open(path) as image:
        if image.width * image.height > PIXELS:
            raise Unusable(f"more than {PIXELS:,} pixels")
        if min(image.size) < least:
            raise Unusable(f"{image.width}x{image.height}, smaller than {least}x{least}")
        image.draft(None, (_DRAFT * least, _DRAFT * least))
        return _rgb(image)


def _rgb(image: Image.Image) -> Image.Image:
    # Mode I is 32 bits wide; in these two formats Pillow fills it with 16.
    sixteen = image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM"))
    ImageOps.exif_transpose(image, in_place=True)
    if sixteen:
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8)).convert("RGB")
    if image.mode in ("I", "F"):
        raise Unusable("32-bit values, whose white is not known")
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def read_all(
    files: Sequence[Path], read: Callable[[Path], Image.Image], shape: tuple[int, int, int]
) -> tuple[Tensor, dict[int, str]]:
    """Images (N, C, H, W) uint8, and why those files that cannot be used cannot, by index (their rows are 0).

    :param read: a file to a picture of ``shape``, in any of several threads at once
    :param shape: channels, height, width
    :raises UsageError: where the images are too many for memory
    """
    channels, height, width = shape
    try:
        images = np.zeros((len(files), *shape), np.uint8)
    except MemoryError:
        raise UsageError(
            f"{len(files)} images of {channels}x{height}x{width} are more than memory holds"
        ) from None

    def fill(first: int) -> dict[int, str]:
        unusable = {}
        for row, file in enumerate(files[first : first + _RUN], first):
            try:
                picture = np.asarray(read(file))
            except Exception as error:  # a damaged file can make a decoder raise anything
                unusable[row] = _why(error)
            else:
                images[row] = picture.reshape(height, width, channels).transpose(2, 0, 1)
        return unusable

    _register()
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # of bombs, odd palettes and bad EXIF: what matters is raised
        runs = list(pool.map(fill, range(0, len(files), _RUN)))
    return torch.from_numpy(images), {row: why for run in runs for row, why in run.items()}


def suffixes() -> frozenset[str]:
    """The file suffixes, in lower case with their dot, of the formats that Pillow can open."""
    _register()
    # MPO is opened by way of JPEG; the other formats missing from OPEN are only written.
    kinds = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in kinds if kind in Image.OPEN or kind == "MPO")


def _register() -> None:
    """Load all formats before threads do; the common ones first, as they are tried in this order."""
    Image.preinit()
    Image.init()


def _why(error: Exception) -> str:
    match error:
        case Unusable():
            return str(error)
        case UnidentifiedImageError():
            return "not an image"
        case Image.DecompressionBombError():
            return f"more than {PIXELS:,} pixels"
        case OSError(strerror=str(reason)):
            return reason
    return one_line(error) or type(error).__name__
