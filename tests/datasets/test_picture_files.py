"""Laws of strangers' files: the picture that a person sees, whatever else the file holds or is called."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import EpsImagePlugin, Image

from vaebench.datasets import formats
from vaebench.datasets.formats import readable, suffixes
from vaebench.datasets.images import Unusable, read_all, read_picture

RNG = np.random.default_rng(0)
HEIGHT, WIDTH = 9, 14
COLOUR = RNG.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
GREY = RNG.integers(0, 256, (HEIGHT, WIDTH), np.uint8)
WIDE = RNG.integers(0, 65536, (HEIGHT, WIDTH)).astype(np.uint16)
ALPHA = RNG.integers(0, 2, (HEIGHT, WIDTH), np.uint8) * 255


def read(path: Path) -> np.ndarray:
    return np.asarray(read_picture(path, 1)).astype(int)


def stacked(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, -1).astype(int)


def over_white(colour: np.ndarray) -> np.ndarray:
    return np.where(ALPHA[..., None] > 0, colour, 255)


def with_alpha(picture: Image.Image) -> Image.Image:
    picture.putalpha(Image.fromarray(ALPHA))
    return picture


# Mode -> an image in it, and the upright pixels that a person sees.
MODES: dict[str, tuple[Callable[[], Image.Image], np.ndarray]] = {
    "1": (lambda: Image.fromarray(GREY > 127), stacked((GREY > 127) * 255)),
    "L": (lambda: Image.fromarray(GREY), stacked(GREY)),
    "P": (lambda: Image.fromarray(GREY).convert("P"), stacked(GREY)),
    "I;16": (lambda: Image.fromarray(WIDE), stacked(WIDE >> 8)),
    "RGB": (lambda: Image.fromarray(COLOUR), COLOUR.astype(int)),
    "RGBA": (lambda: with_alpha(Image.fromarray(COLOUR)), over_white(COLOUR)),
    "LA": (lambda: with_alpha(Image.fromarray(GREY)), over_white(stacked(GREY))),
    "CMYK": (lambda: Image.fromarray(255 - COLOUR).convert("CMYK"), 255 - COLOUR.astype(int)),
}
# How a camera stores the upright picture for each EXIF orientation: what Pillow calls the way there.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def stored(picture: Image.Image, orientation: int) -> Image.Image:
    way = STORED[orientation]
    return picture if way is None else picture.transpose(way)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate"])
@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", MODES)
def test_a_tiff_is_upright_in_every_mode(
    mode: str, orientation: int, compression: str, tmp_path: Path
) -> None:
    made, expected = MODES[mode]
    stored(made(), orientation).save(
        tmp_path / "x.tiff", compression=compression, tiffinfo={274: orientation}
    )
    assert np.array_equal(read(tmp_path / "x.tiff"), expected)


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize("mode", [mode for mode in MODES if mode != "CMYK"])
def test_a_png_is_upright_in_every_mode(mode: str, orientation: int, tmp_path: Path) -> None:
    made, expected = MODES[mode]
    exif = Image.Exif()
    exif[274] = orientation
    stored(made(), orientation).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read(tmp_path / "x.png"), expected)


def test_no_file_is_mapped_by_its_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise AssertionError("Pillow maps the file")

    formats_that_could = ("tiff", "bmp", "ppm", "tga", "png")
    for suffix in formats_that_could:
        Image.fromarray(GREY).save(tmp_path / f"x.{suffix}")
    monkeypatch.setattr(Image.core, "map_buffer", refused)
    for suffix in formats_that_could:
        assert np.array_equal(read(tmp_path / f"x.{suffix}"), stacked(GREY))


def with_exif(suffix: str) -> bytes:
    """A lossless picture that a camera turned, with much metadata."""
    exif = Image.Exif()
    exif[271], exif[274], exif[282], exif[283], exif[296] = "maker", 6, 72.0, 72.0, 2
    exif.get_ifd(0x8769)[36867] = "2020:01:01 00:00:00"
    exif.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True, "xmp": b"<x>" * 9} if suffix == "webp" else {}
    turned = stored(Image.fromarray(COLOUR), 6)
    turned.save(file, suffix, exif=exif, icc_profile=b"profile" * 20, **options)
    return file.getvalue()


def png_metadata(content: bytes) -> list[int]:
    """Where a PNG holds what its ancillary chunks say, and their checks."""
    places, at = [], 8
    while at < len(content):
        end = at + 12 + int.from_bytes(content[at : at + 4], "big")
        if content[at + 4] & 0x20:
            places += range(at + 8, end)
        at = end
    return places


def webp_metadata(content: bytes) -> list[int]:
    places, at = [], 12
    while at < len(content):
        size = int.from_bytes(content[at + 4 : at + 8], "little")
        if content[at : at + 4] in (b"EXIF", b"ICCP", b"XMP "):
            places += range(at + 8, at + 8 + size)
        at += 8 + size + size % 2
    return places


def tiff_metadata(content: bytes) -> list[int]:
    """Types, counts and values of the entries that are no pixels'; this file has the order of Intel."""
    directory = int.from_bytes(content[4:8], "little")
    entries = range(directory + 2, directory + 2 + 12 * int.from_bytes(content[directory:][:2], "little"), 12)
    others = (271, 282, 283, 296, 305, 34665, 34675, 34853)
    return [
        place
        for entry in entries
        if int.from_bytes(content[entry : entry + 2], "little") in others
        for place in range(entry + 2, entry + 12)
    ]


METADATA = {"png": png_metadata, "webp": webp_metadata, "tiff": tiff_metadata}


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shelf")


@given(data=st.data(), suffix=st.sampled_from(list(METADATA)))
def test_damaged_metadata_cost_no_picture(data: st.DataObject, suffix: str, shelf: Path) -> None:
    content = bytearray(with_exif(suffix))
    places = METADATA[suffix](bytes(content))
    begin = data.draw(st.integers(0, len(places) - 1))
    for place in places[begin : begin + data.draw(st.integers(1, 20))]:
        content[place] = data.draw(st.integers(0, 255))
    path = shelf / f"x.{suffix}"
    path.write_bytes(content)
    images, unusable, _ = read_all([path], lambda file: square(read_picture(file, 1)), (3, 32, 32))
    assert unusable == {}
    seen = images[0].permute(1, 2, 0).numpy()
    turned = np.asarray(stored(Image.fromarray(COLOUR), 6))
    assert any(np.array_equal(seen, square(Image.fromarray(p))) for p in (COLOUR, turned))


def square(picture: Image.Image) -> Image.Image:
    """The picture in the corner of a black square: whichever way it lies, it fits."""
    canvas = Image.new("RGB", (32, 32))
    canvas.paste(picture)
    return canvas


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_picture_is_upright_where_another_tag_is_of_a_wrong_kind(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    options = {"lossless": True} if suffix == "webp" else {"quality": 100}
    stored(Image.fromarray(COLOUR), 6).save(path, exif=wrong_kind(), **options)
    seen = np.asarray(read_picture(path, HEIGHT))
    assert seen.shape == COLOUR.shape
    if suffix != "jpg":
        assert np.array_equal(seen, COLOUR)


@pytest.mark.parametrize("bits", [8, 16])
def test_a_tiff_is_upright_where_another_tag_is_of_a_wrong_kind(bits: int, tmp_path: Path) -> None:
    values = GREY if bits == 8 else WIDE
    # Orientation 6; X and Y resolution as text, in a unit that Pillow multiplies them by.
    others = {274: (4, 1, 6), 282: (2, 4, 0x00373737), 283: (2, 4, 0x00373737), 296: (4, 1, 3)}
    (tmp_path / "x.tiff").write_bytes(tiff(np.rot90(values), bits, 1, others))
    assert np.array_equal(read(tmp_path / "x.tiff"), stacked(values >> (bits - 8)))


def wrong_kind() -> bytes:
    """EXIF with orientation 6, and with XResolution as text, where a ratio is expected."""
    text = b"72 dpi\0"
    entries = [(274, 3, 1, struct.pack("<HH", 6, 0)), (282, 2, len(text), struct.pack("<I", 8 + 2 + 24 + 4))]
    directory = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"Exif\0\0II*\0" + struct.pack("<IH", 8, 2) + directory + struct.pack("<I", 0) + text


def test_a_png_whose_text_has_a_wrong_check_is_read(tmp_path: Path) -> None:
    chunks = png_chunks(GREY, 8)
    text = chunk(b"tEXt", b"Comment\0hello")
    (tmp_path / "x.png").write_bytes(b"".join([*chunks[:2], text[:-1] + b"\0", *chunks[2:]]))
    assert np.array_equal(read(tmp_path / "x.png"), stacked(GREY))
    pixels = chunk(b"IDAT", chunks[2][8:40])
    (tmp_path / "x.png").write_bytes(b"".join([*chunks[:2], text[:-1] + b"\0", pixels, *chunks[3:]]))
    with pytest.raises(OSError, match=r"."):  # pixels that are cut off are not made up
        read(tmp_path / "x.png")


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_chunks(values: np.ndarray, bits: int) -> list[bytes]:
    """A grey (H, W) or RGB (H, W, 3) PNG of this many bits: signature, header, pixels, end."""
    height, width = values.shape[:2]
    colour = 2 if values.ndim == 3 else 0
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    rows = b"".join(b"\0" + packed(row.ravel(), bits) for row in values)
    return [
        b"\x89PNG\r\n\x1a\n",
        chunk(b"IHDR", header),
        chunk(b"IDAT", zlib.compress(rows)),
        chunk(b"IEND", b""),
    ]


def packed(row: np.ndarray, bits: int) -> bytes:
    digits = "".join(format(int(value), f"0{bits}b") for value in row)
    digits += "0" * (-len(digits) % 8)
    return bytes(int(digits[k : k + 8], 2) for k in range(0, len(digits), 8))


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_the_transparent_value_is_white_at_every_depth(bits: int, colour: bool, tmp_path: Path) -> None:
    if colour and bits < 8:
        return  # PNG has no such
    most = 2**bits - 1
    values = RNG.integers(0, most + 1, (HEIGHT, WIDTH, 3) if colour else (HEIGHT, WIDTH))
    clear = values[4, 5].copy()
    transparency = struct.pack(">HHH" if colour else ">H", *np.atleast_1d(clear))
    signature, header, *rest = png_chunks(values, bits)
    (tmp_path / "x.png").write_bytes(b"".join([signature, header, chunk(b"tRNS", transparency), *rest]))
    expected = values >> 8 if bits == 16 else values * 255 // most
    expected = expected if colour else stacked(expected)
    gone = (values == clear).all(-1) if colour else values == clear
    assert gone.any()
    expected[gone] = 255
    assert np.array_equal(read(tmp_path / "x.png"), expected)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("zero_is_white", [False, True])
def test_a_tiff_says_which_end_is_white(bits: int, zero_is_white: bool, tmp_path: Path) -> None:
    values = GREY if bits == 8 else WIDE
    kept = values.max() * 0 + (2**bits - 1) - values if zero_is_white else values
    (tmp_path / "x.tiff").write_bytes(tiff(kept, bits, 0 if zero_is_white else 1))
    assert np.array_equal(read(tmp_path / "x.tiff"), stacked(values >> (bits - 8)))


def test_twelve_bits_of_a_tiff_keep_the_upper_eight(tmp_path: Path) -> None:
    values = RNG.integers(0, 4096, (HEIGHT, WIDTH))
    (tmp_path / "x.tiff").write_bytes(tiff(values, 12, 1))
    assert np.array_equal(read(tmp_path / "x.tiff"), stacked(values >> 4))


def tiff(
    values: np.ndarray, bits: int, photometric: int, others: dict[int, tuple[int, int, int]] | None = None
) -> bytes:
    """A grey TIFF without compression, in the order of Intel.

    :param others: tag -> type, count and value of further entries
    """
    height, width = values.shape
    pixels = values.astype("<u2").tobytes() if bits == 16 else b"".join(packed(row, bits) for row in values)
    entries = {256: width, 257: height, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: height}
    entries[279] = len(pixels)
    whole = {tag: (4, 1, value) for tag, value in entries.items()} | (others or {})
    directory = b"".join(struct.pack("<HHII", tag, *entry) for tag, entry in sorted(whole.items()))
    place = 8 + len(pixels)
    return (
        struct.pack("<2sHI", b"II", 42, place)
        + pixels
        + struct.pack("<H", len(whole))
        + directory
        + b"\0" * 4
    )


POSTSCRIPT = b"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 40 40
%%EndComments
0 0 40 40 rectfill showpage
%%EOF
"""
METAFILE = (
    b"\xd7\xcd\xc6\x9a"
    + struct.pack("<HHHHHHIH", 0, 0, 0, 40, 40, 72, 0, 0)
    + b"\x01\x00\x09\x00"
    + b"\0" * 64
)


@pytest.mark.parametrize("content", [POSTSCRIPT, METAFILE], ids=["PostScript", "WMF"])
@pytest.mark.parametrize("suffix", ["png", "jpg", "tiff", "eps"])
def test_a_file_that_holds_a_program_is_no_picture(
    suffix: str, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started(*_: object, **__: object) -> None:
        raise AssertionError("Ghostscript was started")

    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", started)
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(content)
    with pytest.raises(Unusable, match="not an image"):
        read(path)


def test_only_raster_formats_are_read() -> None:
    assert {"PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"} <= set(readable())
    assert not {"EPS", "WMF", "FPX", "MIC", "GRIB", "HDF5", "BUFR", "MPEG", "PDF"} & set(readable())
    assert {".jpg", ".jpeg", ".png", ".tif", ".webp", ".heic", ".heif", ".avif"} <= suffixes()
    assert not {".eps", ".ps", ".wmf", ".emf", ".pdf", ".mpg"} & suffixes()


HEIC = struct.pack(">I", 24) + b"ftypheic\0\0\0\0mif1heic" + b"\0" * 64


@pytest.mark.parametrize("suffix", ["heic", "heif", "jpg"])
def test_heic_says_what_reads_it(suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"x.{suffix}"
    path.write_bytes(HEIC)
    monkeypatch.setattr(formats, "readable", lambda: ("PNG", "JPEG"))
    with pytest.raises(Unusable, match="HEIC needs pillow-heif: pip install pillow-heif"):
        read(path)


def test_avif_says_what_reads_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.avif"
    path.write_bytes(HEIC.replace(b"heic", b"avif"))
    monkeypatch.setattr(formats, "readable", lambda: ("PNG", "JPEG"))
    with pytest.raises(Unusable, match="AVIF needs Pillow"):
        read(path)


@pytest.mark.parametrize("orientation", [1, 6])
def test_heic_is_read_where_its_reader_is_installed(orientation: int, tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif", reason="pillow-heif, an extra, is not installed")
    heif.register_heif_opener()
    smooth = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    exif = Image.Exif()
    exif[274] = orientation
    upright = Image.fromarray(smooth).convert("RGB")
    try:
        stored(upright, orientation).save(tmp_path / "x.heic", quality=95, exif=exif.tobytes())
    except (OSError, RuntimeError) as error:
        pytest.skip(f"this pillow-heif does not write HEIC: {error}")
    assert np.abs(read(tmp_path / "x.heic") - stacked(smooth)).max() <= 12


def test_avif_is_read_where_pillow_does(tmp_path: Path) -> None:
    if "AVIF" not in readable():
        pytest.skip("this Pillow has no AVIF")
    smooth = np.linspace(0, 255, 64 * 48).reshape(48, 64).astype(np.uint8)
    Image.fromarray(smooth).save(tmp_path / "x.avif", quality=95)
    assert np.abs(read(tmp_path / "x.avif") - stacked(smooth)).max() <= 12


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(
    ("app", "body"), [(0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe")], ids=lambda v: str(v)
)
def test_a_jpeg_with_a_short_segment_is_read(app: int, body: bytes, orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    whole = io.BytesIO()
    stored(Image.fromarray(COLOUR), orientation).save(whole, "JPEG", quality=95, exif=exif)
    (tmp_path / "whole.jpg").write_bytes(whole.getvalue())
    begin, rest = whole.getvalue()[:2], whole.getvalue()[2:]
    segment = struct.pack(">BBH", 0xFF, app, len(body) + 2) + body
    (tmp_path / "short.jpg").write_bytes(begin + segment + rest)
    whole_picture, picture = (read_picture(tmp_path / f"{n}.jpg", 8) for n in ("whole", "short"))
    assert picture.size == (WIDTH, HEIGHT)
    assert np.array_equal(np.asarray(picture), np.asarray(whole_picture))


@pytest.mark.filterwarnings("ignore:Tag data larger than file")
@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_the_picture_is_upright_where_an_earlier_tag_is_outside_the_file(
    suffix: str, order: str, tmp_path: Path
) -> None:
    outside = struct.pack(order + "HHII", 271, 2, 99, 10**8)
    turned = struct.pack(order + "HHIHH", 274, 3, 1, 6, 0)
    head = struct.pack(order + "2sHIH", b"II" if order == "<" else b"MM", 42, 8, 2)
    exif = b"Exif\0\0" + head + outside + turned + bytes(4)
    stored(Image.fromarray(GREY).convert("RGB"), 6).save(tmp_path / f"x.{suffix}", exif=exif)
    assert read_picture(tmp_path / f"x.{suffix}", 8).size == (WIDTH, HEIGHT)
