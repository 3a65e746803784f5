"""Laws of decoding: every kind of file gives the picture that a person sees, or says why it cannot."""

import hashlib
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vaebench.datasets.formats import suffixes
from vaebench.datasets.images import PIXELS, Unusable, read_all, read_picture
from vaebench.errors import UsageError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (12, 17, 3), np.uint8)
GREY = RNG.integers(0, 256, (12, 17), np.uint8)
LOSSLESS = {"png": {}, "bmp": {}, "tiff": {}, "webp": {"lossless": True}, "ppm": {}, "tga": {}}


def read(path: Path, least: int = 1) -> np.ndarray:
    return np.asarray(read_picture(path, least)).astype(int)


def stacked(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[..., None], 3, -1).astype(int)


@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_formats_give_the_pixels_that_were_saved(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(COLOUR).save(path, **LOSSLESS[suffix])
    assert np.array_equal(read(path), COLOUR)
    assert path.suffix in suffixes()


def test_grey_and_one_bit_images_become_equal_channels(tmp_path: Path) -> None:
    Image.fromarray(GREY).save(tmp_path / "grey.png")
    assert np.array_equal(read(tmp_path / "grey.png"), stacked(GREY))
    Image.fromarray(GREY > 127).save(tmp_path / "bits.png")
    assert np.array_equal(read(tmp_path / "bits.png"), stacked((GREY > 127) * 255))


def test_palettes_are_looked_up(tmp_path: Path) -> None:
    palette = RNG.integers(0, 256, (16, 3), np.uint8)
    indices = RNG.integers(0, 16, (12, 17), np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putdata(indices.ravel().tolist())
    image.putpalette(palette.ravel().tolist())
    image.save(tmp_path / "x.png")
    assert np.array_equal(read(tmp_path / "x.png"), palette[indices])
    image.save(tmp_path / "clear.png", transparency=3)
    palette[3] = 255
    assert np.array_equal(read(tmp_path / "clear.png"), palette[indices])


@pytest.mark.parametrize("suffix", ["png", "tiff", "pgm"])
def test_sixteen_bits_keep_the_upper_eight(suffix: str, tmp_path: Path) -> None:
    wide = RNG.integers(0, 65536, (12, 17)).astype(np.uint16)
    wide[0, :2] = 0, 65535
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(wide).save(path)
    assert np.array_equal(read(path), stacked(wide >> 8))


@pytest.mark.parametrize("kind", [np.int32, np.float32])
def test_values_of_unknown_range_are_refused(kind: type, tmp_path: Path) -> None:
    Image.fromarray(GREY.astype(kind)).save(tmp_path / "x.tiff")
    with pytest.raises(Unusable, match="32-bit values of unknown range"):
        read(tmp_path / "x.tiff")


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_lets_white_through(mode: str, tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, (12, 17), np.uint8)
    alpha[0, :2] = 0, 255
    under = Image.fromarray(COLOUR if mode == "RGBA" else GREY)
    under.putalpha(Image.fromarray(alpha))
    assert under.mode == mode
    under.save(tmp_path / "x.png")
    colour = COLOUR if mode == "RGBA" else stacked(GREY)
    share = alpha[..., None] / 255
    seen = read(tmp_path / "x.png")
    assert np.abs(seen - (share * colour + (1 - share) * 255)).max() <= 1
    assert (seen[0, 0] == 255).all()
    assert np.array_equal(seen[0, 1], colour[0, 1])


def test_cmyk_is_converted(tmp_path: Path) -> None:
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:4, :, 1:3] = 255
    inks[4:, :, 3] = 255
    picture = Image.frombytes("CMYK", (8, 8), inks.tobytes())
    picture.save(tmp_path / "x.tiff")
    expected = np.zeros((8, 8, 3), int)
    expected[:4, :, 0] = 255
    assert np.array_equal(read(tmp_path / "x.tiff"), expected)
    picture.save(tmp_path / "x.jpg", quality=100, subsampling=0)
    assert np.abs(read(tmp_path / "x.jpg", 8) - expected).max() <= 4


# How a camera stores the upright picture for each EXIF orientation (TIFF 6.0, tag 274).
STORED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a),
    7: lambda a: a[::-1, ::-1].swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", STORED)
def test_orientation_is_honoured(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    stored = np.ascontiguousarray(STORED[orientation](COLOUR))
    Image.fromarray(stored).save(tmp_path / "x.png", exif=exif)
    assert np.array_equal(read(tmp_path / "x.png"), COLOUR)


@pytest.mark.parametrize("suffix", ["gif", "png", "webp"])
def test_animations_give_their_first_frame(suffix: str, tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"x.{suffix}"
    lossless = {"lossless": True} if suffix == "webp" else {}
    frames[0].save(path, save_all=True, append_images=frames[1:], **lossless)
    with Image.open(path) as image:
        assert image.n_frames == 3
    assert np.array_equal(read(path), np.broadcast_to([255, 0, 0], (8, 8, 3)))


def test_a_large_jpeg_comes_smaller_but_alike(tmp_path: Path) -> None:
    rows, columns = np.mgrid[0:1024, 0:1500]
    picture = np.stack([rows // 4, columns // 6, (rows + columns) // 10], -1).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "x.jpg", quality=95)
    small, whole = read_picture(tmp_path / "x.jpg", 32), read_picture(tmp_path / "x.jpg", 1024)
    assert whole.size == (1500, 1024)
    assert 96 <= min(small.size) < 1024
    difference = np.asarray(small.resize((48, 32), Image.Resampling.BILINEAR)).astype(int) - np.asarray(
        whole.resize((48, 32), Image.Resampling.BILINEAR)
    )
    assert np.abs(difference).max() <= 4


def blank_png(width: int, height: int) -> bytes:
    """A PNG that claims a size, with hardly any data."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


# Beyond our limit; beyond the one at which Pillow warns; beyond the one at which it raises.
@pytest.mark.parametrize("side", [8_200, 10_000, 40_000])
def test_bombs_are_not_decoded(side: int, tmp_path: Path) -> None:
    assert side * side > PIXELS
    (tmp_path / "x.png").write_bytes(blank_png(side, side))
    read = read_all([tmp_path / "x.png"], lambda path: read_picture(path, 1), (3, 1, 1))
    assert read.unusable == {0: f"more than {PIXELS:,} pixels"}


def test_all_files_are_read_in_order_and_the_unusable_named(tmp_path: Path) -> None:
    files, bad = [], set(RNG.choice(200, 31, replace=False).tolist())
    for number in range(200):
        files.append(tmp_path / f"{number}.png")
        Image.new("RGB", (2, 3), (number, 255 - number, 7)).save(files[-1])
        if number in bad:
            files[-1].write_text("no image")
    images, unusable, sha256 = read_all(files, lambda path: read_picture(path, 1), (3, 3, 2))
    assert sha256 == [hashlib.sha256(file.read_bytes()).hexdigest() for file in files]
    assert unusable == dict.fromkeys(sorted(bad), "not an image")
    for number in set(range(200)) - bad:
        expected = np.broadcast_to(np.array([number, 255 - number, 7])[:, None, None], (3, 3, 2))
        assert np.array_equal(images[number].numpy(), expected)


def test_images_beyond_memory_are_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MemoryError

    monkeypatch.setattr(np, "zeros", full)
    with pytest.raises(UsageError, match="2 images of 3x4x5 do not fit into memory"):
        read_all([tmp_path, tmp_path], lambda path: read_picture(path, 1), (3, 4, 5))


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    (tmp_path / "broken.png").symlink_to(tmp_path / "nothing")
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait for ever
    for path in tmp_path.iterdir():
        with pytest.raises(Unusable, match="not a file"):
            read(path)
