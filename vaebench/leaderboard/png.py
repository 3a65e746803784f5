"""Checks on PNGs from records: valid, of limited size, and stripped of everything but the pixels."""

import struct
import zlib
from collections.abc import Iterator
from typing import NamedTuple

LARGEST = 2**22
"""The largest file, in bytes."""
LONGEST, PIXELS = 4096, 2**21
"""The most pixels of a side, and of the whole picture."""

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_GREY, _COLOUR, _PALETTE = 0, 2, 3
_KEPT = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")


class _Chunk(NamedTuple):
    name: bytes
    size: int
    whole: bytes
    """The bytes of the chunk, including its length, name and checksum."""


def pixels_only(data: bytes) -> bytes | None:
    """Remove ancillary chunks (texts, profiles, animation) except tRNS; None if ``data`` is not a valid PNG.

    Valid means: the signature; every chunk complete, with its checksum, and in order; no unknown critical
    chunk; nothing after the end; at most ``LARGEST`` bytes, ``LONGEST`` pixels a side and ``PIXELS`` in
    all (PNG specification, third edition, sections 5 and 11). The pixels are not decompressed.
    """
    if len(data) > LARGEST or not data.startswith(_SIGNATURE):
        return None
    try:
        kept = [chunk for chunk in _chunks(data) if _is_kept(chunk.name)]
        _check_order([chunk.name for chunk in kept])
        depth, colour = _check_header(kept[0].whole[8:-4])
        _check_colours({chunk.name: chunk.size for chunk in kept}, depth, colour)
    except (ValueError, struct.error):
        return None
    return _SIGNATURE + b"".join(chunk.whole for chunk in kept)


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """The chunks; ValueError if a checksum does not match, struct.error if one is incomplete."""
    place = len(_SIGNATURE)
    while place < len(data):
        size, name = struct.unpack_from(">I4s", data, place)
        (checksum,) = struct.unpack_from(">I", data, place + 8 + size)
        whole = data[place : place + 12 + size]
        if zlib.crc32(whole[4:-4]) != checksum:
            raise ValueError("checksum")
        yield _Chunk(name, size, whole)
        place += len(whole)


def _is_kept(name: bytes) -> bool:
    """Whether a chunk is part of the picture; ValueError for an unknown critical chunk."""
    if name not in _KEPT and (not name.isalpha() or name[:1].isupper()):
        raise ValueError("unknown critical chunk")
    return name in _KEPT


def _check_order(names: list[bytes]) -> None:
    once = [name for place, name in enumerate(names) if names[place - 1 : place] != [name]]
    optional = [name for name in (b"PLTE", b"tRNS") if name in names]
    if once != [b"IHDR", *optional, b"IDAT", b"IEND"] or len(names) - names.count(b"IDAT") != len(once) - 1:
        raise ValueError("order")


def _check_header(header: bytes) -> tuple[int, int]:
    """Check size and format; return bit depth and colour type."""
    width, height, depth, colour, compression, filtering, interlace = struct.unpack(">IIBBBBB", header)
    if not (0 < width <= LONGEST and 0 < height <= LONGEST and width * height <= PIXELS):
        raise ValueError("size")
    if depth not in _DEPTHS.get(colour, ()) or compression or filtering or interlace > 1:
        raise ValueError("header")
    return depth, colour


def _check_colours(sizes: dict[bytes, int], depth: int, colour: int) -> None:
    palette, transparent = sizes.get(b"PLTE"), sizes.get(b"tRNS")
    if palette is None:
        good = colour != _PALETTE
    else:
        most = 3 * 2**depth if colour == _PALETTE else 3 * 256
        good = colour not in (0, 4) and palette % 3 == 0 and 0 < palette <= most
    if transparent is not None:
        entries = (palette or 0) // 3
        good &= transparent == {_GREY: 2, _COLOUR: 6}.get(colour) or (
            colour == _PALETTE and 0 < transparent <= entries
        )
    if not good or sizes[b"IEND"]:
        raise ValueError("colours")
