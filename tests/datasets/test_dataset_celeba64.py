"""Laws of CelebA at 64x64, on small files in its layout and under md5 sums that are checked."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CelebA
from torchvision.transforms.v2 import functional as transforms

from vaebench.datasets.celeba64 import celeba64
from vaebench.errors import UsageError

SPLITS = [0, 2, 1, 0, 0, 2, 1, 0]
"""The split of each picture: 0 train, 1 validation, 2 test."""


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (218, 178, 3), np.uint8)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    place = tmp_path / "celeba"
    (place / "img_align_celeba").mkdir(parents=True)
    names = [f"{k + 1:06}.jpg" for k in range(len(SPLITS))]
    for number, name in enumerate(names):
        # Without loss, so that values can be compared; Pillow goes by the content, not the suffix.
        Image.fromarray(picture(number)).save(place / "img_align_celeba" / name, "PNG")
    rows = {
        "list_eval_partition.txt": [f"{n} {s}" for n, s in zip(names, SPLITS, strict=True)],
        "identity_CelebA.txt": [f"{n} 1" for n in names],
        "list_bbox_celeba.txt": ["8", "image_id x y", *(f"{n} 1 1" for n in names)],
        "list_landmarks_align_celeba.txt": ["8", "x y", *(f"{n} 1 1" for n in names)],
        "list_attr_celeba.txt": ["8", "Smiling Young", *(f"{n} 1 -1" for n in names)],
    }
    sums = []
    for file, lines in rows.items():
        content = ("\n".join(lines) + "\n").encode()
        (place / file).write_bytes(content)
        sums.append(("", hashlib.md5(content).hexdigest(), file))
    monkeypatch.setattr(CelebA, "file_list", [("", "", "img_align_celeba.zip"), *sums])
    return tmp_path


def test_splits_are_the_official_ones_cropped_and_resized(root: Path) -> None:
    data = celeba64(root)
    for split, which in ((data.train, 0), (data.validation, 1), (data.test, 2)):
        members = [k for k, s in enumerate(SPLITS) if s == which]
        assert split.images.shape == (len(members), 3, 64, 64)
        for image, number in zip(split.images, members, strict=True):
            face = torch.from_numpy(picture(number)).permute(2, 0, 1)[:, 40:188, 15:163]
            expected = transforms.resize(face.float(), [64, 64], antialias=True)
            # Pillow's fixed-point filter rounds after each of its two passes.
            assert (image.float() - expected).abs().max() <= 1.5


def test_what_lies_outside_the_face_does_not_matter(root: Path) -> None:
    before = celeba64(root).checksum
    file = root / "celeba" / "img_align_celeba" / "000001.jpg"
    frame = picture(0)
    face = frame[40:188, 15:163].copy()
    frame[:] = 0
    frame[40:188, 15:163] = face
    Image.fromarray(frame).save(file, "PNG")
    assert celeba64(root).checksum == before
    frame[40, 15] ^= 255
    Image.fromarray(frame).save(file, "PNG")
    assert celeba64(root).checksum != before


def test_levels_quantise(root: Path) -> None:
    assert torch.equal(celeba64(root, levels=32).train.images, celeba64(root).train.images >> 3)


@pytest.mark.parametrize("content", [b"", b"text", "truncated", "small"])
def test_a_damaged_picture_is_named(content: bytes | str, root: Path) -> None:
    file = root / "celeba" / "img_align_celeba" / "000004.jpg"
    match content:
        case "truncated":
            file.write_bytes(file.read_bytes()[:5_000])
        case "small":
            Image.fromarray(picture(3)[:200]).save(file, "PNG")
        case bytes():
            file.write_bytes(content)
    with pytest.raises(UsageError, match=r"000004\.jpg") as error:
        celeba64(root)
    assert "\n" not in str(error.value)


@pytest.mark.usefixtures("no_drive")
def test_missing_and_changed_lists_are_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="the drive cannot be reached"):
        celeba64(tmp_path / "elsewhere")
    with (root / "celeba" / "list_eval_partition.txt").open("a") as file:
        file.write("000009.jpg 0\n")
    with pytest.raises(UsageError, match="img_align_celeba") as error:
        celeba64(root)
    assert "\n" not in str(error.value)
