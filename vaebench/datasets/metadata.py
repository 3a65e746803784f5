"""Metadata of image files: orientation is used, and damage to other metadata is ignored."""

import struct
import zlib
from contextlib import suppress
from io import BytesIO
from typing import BinaryIO

from PIL import Image

_ORIENTATION = 274
_SHORT = 3
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_MOST = 2**28
"""Larger files, in bytes, are not read again without their metadata."""
_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8\xff"
_SCAN = 0xDA
"""The JPEG marker after which compressed pixels follow."""
_NO_PIXELS = frozenset((*range(0xE0, 0xF0), 0xFE))
"""JPEG markers of segments that may be left out: APP0 .. APP15 and comments."""
_USED = ((0xE0, b"JFIF\0", 16), (0xE1, b"Exif\0\0", 8), (0xEE, b"Adobe", 14))
"""Those that say how colours are stored and which side is up, each with its least length."""
_TIFF = {b"II*\0": "<", b"MM\0*": ">"}
_PIXEL_TAGS = frozenset(
    [
        *(*range(254, 260), 262, 266, 273, 274, 277, 278, 279, 284, 292, 293, 317, 320, *range(322, 326)),
        *(330, 332, 334, 338, 339, 347, *range(512, 522), *range(529, 533)),
    ]
)
"""The TIFF tags that describe the storage of pixels (TIFF 6.0; 330 and 347 from its supplements)."""


def turn_of(image: Image.Image) -> Image.Transpose | None:
    """The transposition that makes an image upright by its EXIF orientation (TIFF 6.0, tag 274), or None.

    Pillow's ``exif_transpose`` also rewrites the EXIF, which fails for invalid EXIF of some cameras.
    """
    orientation = None
    with suppress(Exception):  # damaged EXIF can make its reader raise anything
        orientation = image.getexif().get(_ORIENTATION)
    if orientation is None:  # Pillow reads no tag after one whose value is outside the file
        orientation = _orientation(image.info.get("exif"))
    return _UPRIGHT.get(orientation) if isinstance(orientation, int) else None


def _orientation(exif: object) -> int | None:
    """Read the orientation alone from EXIF."""
    if not isinstance(exif, bytes):
        return None
    tiff = bytearray(exif.removeprefix(b"Exif\0\0"))
    order = _TIFF.get(bytes(tiff[:4]))
    if order is None:
        return None
    with suppress(struct.error):  # the directory is incomplete
        for entry in _entries(tiff, order):
            tag, kind, count, value = struct.unpack_from(order + "HHIH", tiff, entry)
            if (tag, kind, count) == (_ORIENTATION, _SHORT, 1):
                return int(value)
    return None


def without_metadata(file: BinaryIO) -> BytesIO | None:
    """A copy of a PNG, JPEG or TIFF with only its pixels and orientation; None for other formats."""
    file.seek(0)
    content = file.read(_MOST + 1)
    if len(content) > _MOST:
        return None
    if content.startswith(_PNG):
        return BytesIO(_bare_png(content))
    if content.startswith(_JPEG):
        return BytesIO(_bare_jpeg(content))
    order = _TIFF.get(content[:4])
    return BytesIO(_bare_tiff(content, order)) if order else None


def _bare_png(content: bytes) -> bytes:
    """Keep the critical chunks, transparency, and orientation if its checksum is right."""
    kept, at = [_PNG], len(_PNG)
    while at + 12 <= len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        kind, chunk = content[at + 4 : at + 8], content[at:end]
        whole = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        critical = not kind[0] & 0x20  # bit 5 of a chunk's first letter marks chunks that may be ignored
        if critical or kind == b"tRNS" or (kind == b"eXIf" and whole):
            kept.append(chunk)
        at = end
    return b"".join(kept)


def _bare_jpeg(content: bytes) -> bytes:
    """Keep what describes pixels, colours or orientation before the first scan, and all after it."""
    kept, at = [content[:2]], 2
    while at + 4 <= len(content) and content[at] == 0xFF and content[at + 1] != _SCAN:
        marker, end = content[at + 1], at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        body = content[at + 4 : end]
        used = any(
            marker == app and body.startswith(begin) and end - at - 2 >= least for app, begin, least in _USED
        )
        if used or marker not in _NO_PIXELS:
            kept.append(content[at:end])
        at = end
    return b"".join((*kept, content[at:]))


def _bare_tiff(content: bytes, order: str) -> bytes:
    """Replace the entries of the first directory that do not describe pixels by a single zero byte."""
    bare = bytearray(content)
    try:
        for entry in _entries(bare, order):
            if struct.unpack_from(order + "H", bare, entry)[0] not in _PIXEL_TAGS:
                struct.pack_into(order + "HII", bare, entry + 2, 1, 1, 0)
    except struct.error:
        pass  # the directory is incomplete, which the decoder reports
    return bytes(bare)


def _entries(tiff: bytearray, order: str) -> range:
    """Where the entries of the first directory begin.

    :raises struct.error: for a directory outside the file
    """
    (directory,) = struct.unpack_from(order + "I", tiff, 4)
    (count,) = struct.unpack_from(order + "H", tiff, directory)
    return range(directory + 2, directory + 2 + 12 * count, 12)
