"""A PNG keeps its pixels and loses all else; what is none is refused."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from vaebench.leaderboard.png import LARGEST, LONGEST, PIXELS, pixels_only

from .strategies import chunk, laws, png

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MODES = {"1": 1, "L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "P": 1, "I;16": 2}
pixels = st.tuples(st.integers(1, 20), st.integers(1, 20), st.integers(0, 2**32))


def drawn(mode: str, width: int, height: int, seed: int) -> Image.Image:
    size = width * height * MODES[mode]
    image = Image.frombytes(
        "L" if mode == "1" else mode, (width, height), np.random.default_rng(seed).bytes(size)
    )
    if mode == "P":
        image.putpalette(np.random.default_rng(seed).bytes(768))
    return image.convert("1") if mode == "1" else image


def saved(image: Image.Image, comment: str = "", **options: object) -> bytes:
    buffer, info = io.BytesIO(), PngImagePlugin.PngInfo()
    info.add_itxt("Comment", f"<script>{comment}</script>")
    image.save(buffer, "PNG", pnginfo=info, dpi=(7, 7), exif=b"Exif\0\0secret", **options)
    return buffer.getvalue()


def chunks(data: bytes) -> list[bytes]:
    names, place = [], 8
    while place < len(data):
        (size,) = struct.unpack_from(">I", data, place)
        names.append(data[place + 4 : place + 8])
        place += 12 + size
    return names


@laws
@given(st.sampled_from(sorted(MODES)), pixels, st.booleans(), st.text(max_size=9))
def test_a_png_keeps_its_pixels_and_nothing_else(
    mode: str, shape: tuple[int, int, int], transparent: bool, comment: str
) -> None:
    image = drawn(mode, *shape)
    options = {"transparency": 0} if transparent and mode in ("L", "P") else {}
    data = saved(image, comment, **options)
    assert {b"iTXt", b"pHYs", b"eXIf"} <= set(chunks(data))
    kept = pixels_only(data)
    assert kept is not None
    assert set(chunks(kept)) <= {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"}
    assert (b"tRNS" in chunks(kept)) == bool(options)
    again = Image.open(io.BytesIO(kept))
    again.load()
    assert again.convert("RGBA").tobytes() == Image.open(io.BytesIO(data)).convert("RGBA").tobytes()
    assert pixels_only(kept) == kept


@laws
@given(pixels, st.data())
def test_a_flipped_bit_a_lost_end_and_a_tail_are_seen(
    shape: tuple[int, int, int], data: st.DataObject
) -> None:
    whole = saved(drawn("RGB", *shape))
    bit = data.draw(st.integers(0, 8 * len(whole) - 1))
    flipped = bytearray(whole)
    flipped[bit // 8] ^= 1 << bit % 8
    assert pixels_only(bytes(flipped)) is None
    assert pixels_only(whole[: data.draw(st.integers(0, len(whole) - 1))]) is None
    assert pixels_only(whole + data.draw(st.binary(min_size=1, max_size=40))) is None


@laws
@given(st.binary(max_size=200))
def test_what_is_no_png_is_refused(data: bytes) -> None:
    assert pixels_only(data) is None
    assert pixels_only(SIGNATURE + data) is None


def header(width: int = 1, height: int = 1, depth: int = 8, colour: int = 0, *methods: int) -> bytes:
    return chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, *((*methods, 0, 0, 0)[:3])))


DATA, END = chunk(b"IDAT", zlib.compress(b"\0\0")), chunk(b"IEND", b"")
PALETTE = chunk(b"PLTE", b"\1\2\3")


def test_the_smallest_png_is_one() -> None:
    assert pixels_only(SIGNATURE + header() + DATA + DATA + END) is not None
    assert (
        pixels_only(SIGNATURE + header(colour=3) + PALETTE + chunk(b"tRNS", b"\0") + DATA + END) is not None
    )


@pytest.mark.parametrize(
    "inside",
    [
        *[b"", header(), header() + DATA, header() + END, DATA + END, DATA + header() + END],
        *[header() + header() + DATA + END, header() + DATA + END + END, header() + END + DATA],
        header() + DATA + chunk(b"IEND", b"x"),
        header() + DATA + chunk(b"gAMA", b"") + DATA + chunk(b"FAKE", b"") + END,
        header() + chunk(b"te/t", b"") + DATA + END,
        *[header(colour=3) + DATA + END, header() + PALETTE + DATA + END],
        header(colour=3) + PALETTE + PALETTE + DATA + END,
        header(colour=3) + chunk(b"PLTE", b"\1\2") + DATA + END,
        header(colour=3, depth=1) + chunk(b"PLTE", b"\1\2\3" * 3) + DATA + END,
        header(colour=3) + chunk(b"tRNS", b"\0") + PALETTE + DATA + END,
        header(colour=3) + PALETTE + chunk(b"tRNS", b"\0\0") + DATA + END,
        header(colour=6) + chunk(b"tRNS", b"\0\0") + DATA + END,
        *[
            header(colour=2) + chunk(b"tRNS", b"\0\0") + DATA + END,
            header() + chunk(b"tRNS", b"") + DATA + END,
        ],
        *[header(0) + DATA + END, header(1, 0) + DATA + END, header(LONGEST + 1) + DATA + END],
        *[header(LONGEST, PIXELS // LONGEST + 1) + DATA + END, header(depth=3) + DATA + END],
        *[header(colour=1) + DATA + END, header(colour=2, depth=4) + DATA + END],
        *[header(1, 1, 8, 0, 1) + DATA + END, header(1, 1, 8, 0, 0, 1) + DATA + END],
        header(1, 1, 8, 0, 0, 0, 2) + DATA + END,
        chunk(b"IHDR", b"\0" * 12) + DATA + END,
    ],
)
def test_chunks_out_of_place_are_refused(inside: bytes) -> None:
    assert pixels_only(SIGNATURE + inside) is None


def test_a_file_is_no_larger_than_the_largest() -> None:
    room = LARGEST - len(png(1, 1, b"\0")) - 12
    assert pixels_only(png(1, 1, b"\0", chunk(b"note", bytes(room)))) == png(1, 1, b"\0")
    assert pixels_only(png(1, 1, b"\0", chunk(b"note", bytes(room + 1)))) is None
