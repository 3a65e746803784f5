"""Decode image files to uint8 tensors, in threads."""

import hashlib
import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from vaebench.datasets.formats import opened, readable, why_unread
from vaebench.datasets.metadata import turn_of, without_metadata
from vaebench.errors import UsageError
from vaebench.text import one_line

PIXELS = 2**26
"""A file with more pixels than this is treated as a decompression bomb."""
_DRAFT = 3
_BITS, _PHOTOMETRIC = 258, 262
_PNG_DEPTH = 24
"""The position in a PNG's first chunk of the bits per sample."""
_RUN = 64


class Unusable(Exception):  # noqa: N818
    """Raised for a file that cannot be used as an image; the message gives the reason."""


class Pictures(NamedTuple):
    """Image files, decoded."""

    images: Tensor
    """(N, C, H, W) uint8; zeros for a file that cannot be used."""
    unusable: dict[int, str]
    """Index of a file that cannot be used -> the reason."""
    sha256: list[str | None]
    """The hash of each file's bytes; None for a file that cannot be read."""


def read_picture(path: Path, least: int) -> Image.Image:
    """Read the first frame as 8-bit RGB, upright by its EXIF orientation, on white where transparent.

    16-bit grey values keep their upper 8 bits. A JPEG much larger than ``least`` may be reduced by an integer
    factor, with both sides at least three times ``least``. Damaged metadata are ignored.

    :raises Unusable: for an unsupported format, a side below ``least``, more than ``PIXELS`` pixels, or
        values of unknown range; for damaged files Pillow may raise any error
    """
    if not path.is_file():
        raise Unusable("not a file")
    with path.open("rb") as file:
        try:
            return _decoded(file, least)
        except Unusable:
            raise
        except Exception as error:
            bare = without_metadata(file)
            if bare is None and isinstance(error, UnidentifiedImageError):
                raise Unusable(why_unread(file)) from None
            if bare is None:
                raise
    return _decoded(bare, least)


def _decoded(file: BinaryIO, least: int) -> Image.Image:
    with opened(file) as image:
        if image.width * image.height > PIXELS:
            raise Unusable(f"more than {PIXELS:,} pixels")
        if min(image.size) < least:
            raise Unusable(f"{image.width}x{image.height}, smaller than {least}x{least}")
        image.draft(None, (_DRAFT * least, _DRAFT * least))
        image.load()
        turn = turn_of(image)
        picture = _rgb(image, file)
    return picture if turn is None else picture.transpose(turn)


def _rgb(image: Image.Image, file: BinaryIO) -> Image.Image:
    # Mode I is 32 bits wide; in these two formats Pillow fills it with 16.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format in ("PNG", "PPM")):
        return _of_sixteen_bits(image)
    if image.mode in ("I", "F"):
        raise Unusable("32-bit values of unknown range")
    if image.format == "PNG" and "transparency" in image.info:
        _scale_transparency(image, file)
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert("RGB")
    return image.convert("RGB")


def _of_sixteen_bits(image: Image.Image) -> Image.Image:
    """Convert 16-bit grey values (fewer bits in some TIFFs) to RGB by their upper 8; transparent is white."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    (bits, *_), zero_is_white = tags.get(_BITS, (16,)), tags.get(_PHOTOMETRIC, 1) == 0
    grey = (values >> (bits - 8)).astype(np.uint8)
    if zero_is_white:
        grey = 255 - grey
    if (clear := image.info.get("transparency")) is not None:
        grey[values == clear] = 255
    return Image.fromarray(grey).convert("RGB")


def _scale_transparency(image: Image.Image, file: BinaryIO) -> None:
    """Scale the transparent value to 8 bits: Pillow scales the pixels but not the transparent value."""
    file.seek(_PNG_DEPTH)
    bits, clear = file.read(1)[0], image.info["transparency"]
    if image.mode == "L" and bits < 8:
        image.info["transparency"] = clear * 255 // (2**bits - 1)
    elif image.mode == "RGB" and bits == 16:
        image.info["transparency"] = tuple(value >> 8 for value in clear)


def read_all(
    files: Sequence[Path], read: Callable[[Path], Image.Image], shape: tuple[int, int, int]
) -> Pictures:
    """Decode files in threads.

    :param read: decodes a file to a picture of ``shape``; must be thread-safe
    :param shape: channels, height, width
    :raises UsageError: if the images do not fit into memory
    """
    channels, height, width = shape
    try:
        images = np.zeros((len(files), *shape), np.uint8)
    except MemoryError:
        raise UsageError(
            f"{len(files)} images of {channels}x{height}x{width} do not fit into memory"
        ) from None

    sha256: list[str | None] = [None] * len(files)

    def fill(first: int) -> dict[int, str]:
        unusable = {}
        for row, file in enumerate(files[first : first + _RUN], first):
            try:
                sha256[row] = _sha256(file)
                picture = np.asarray(read(file))
            except Exception as error:  # a damaged file can make a decoder raise anything
                unusable[row] = _why(error)
            else:
                images[row] = picture.reshape(height, width, channels).transpose(2, 0, 1)
        return unusable

    readable()
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter(
            "ignore"
        )  # about bombs, odd palettes and bad EXIF; errors that matter are raised
        runs = list(pool.map(fill, range(0, len(files), _RUN)))
    unusable = {row: why for run in runs for row, why in run.items()}
    return Pictures(torch.from_numpy(images), unusable, sha256)


def _sha256(path: Path) -> str | None:
    if not path.is_file():  # reading a pipe would block
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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
