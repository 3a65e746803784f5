"""The supported image formats: a list of raster formats, none of which starts another program."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import BinaryIO

from PIL import Image

NAMED = (
    *("PNG", "JPEG", "MPO", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "JPEG2000", "AVIF", "HEIF"),
    *("ICO", "PCX", "SGI", "SUN", "XBM", "XPM", "DDS", "QOI", "PSD"),
)
"""Pillow's names. EPS and WMF are left out, since Pillow opens them with Ghostscript and with Windows."""
_MODERN = {
    "HEIF": "HEIC needs pillow-heif: pip install pillow-heif",
    "AVIF": "AVIF needs Pillow 11.3 or later",
}
_SUFFIXES = {".heic": "HEIF", ".heif": "HEIF", ".hif": "HEIF", ".avif": "AVIF", ".avifs": "AVIF"}
_BRANDS = {
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"), "HEIF"),
    **dict.fromkeys((b"avif", b"avis"), "AVIF"),
}


@cache
def readable() -> tuple[str, ...]:
    """The formats that this installation supports; call it before starting threads, as it loads plugins."""
    Image.preinit()  # the common ones first, as they are tried in this order
    Image.init()
    with suppress(ImportError):
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return tuple(name for name in NAMED if name in Image.OPEN)


@cache
def suffixes() -> frozenset[str]:
    """The suffixes of the formats, in lower case with their dot; always including HEIC and AVIF."""
    readable()
    kinds = Image.registered_extensions().items()
    return frozenset(suffix for suffix, kind in kinds if kind in NAMED) | frozenset(_SUFFIXES)


@contextmanager
def opened(file: BinaryIO) -> Iterator[Image.Image]:
    """Open an image without decoding it; from a path, Pillow would map the file instead of decoding it.

    :raises PIL.UnidentifiedImageError: for other formats
    """
    file.seek(0)
    with Image.open(file, formats=readable()) as image:
        yield image


def why_unread(file: BinaryIO) -> str:
    """Why a file is not supported, and which package would support it, if known."""
    file.seek(0)
    head = file.read(12)
    kind = _BRANDS.get(head[8:]) if head[4:8] == b"ftyp" else None
    return _MODERN[kind] if kind is not None and kind not in readable() else "not an image"
