"""Laws of a person's own folder: the split is of names, and what cannot be used is named."""

import os
import shutil
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from vaebench.contracts import Dataset, Split
from vaebench.datasets.folder import folder
from vaebench.datasets.folder_layout import find
from vaebench.errors import UsageError

ELSEWHERE = Path("elsewhere")


def save(path: Path, number: int, size: tuple[int, int] = (40, 40)) -> None:
    """A plain image whose colour says its number."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, (number, 0, 255 - number)).save(path)


def numbers(split: Split) -> list[int]:
    return split.images[:, 0, 0, 0].tolist()


def load(place: Path, **options: Any) -> Dataset:
    return folder(ELSEWHERE, path=str(place), **options)


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """Twenty images in three subfolders."""
    place = tmp_path / "plain"
    for number in range(20):
        save(place / "abc"[number % 3] / f"{number}.png", number)
    return place


def test_images_are_in_one_split_each_with_their_class(plain: Path) -> None:
    data = load(plain, validation=0.2, test=0.3, split="shuffle")
    splits = (data.train, data.validation, data.test)
    assert [len(s.images) for s in splits] == [10, 4, 6]
    assert sorted(number for split in splits for number in numbers(split)) == list(range(20))
    for split in splits:
        assert split.labels.tolist() == [number % 3 for number in numbers(split)]
    assert data.name == "folder:plain"
    assert data.notes == ()


@pytest.mark.parametrize("split", ["hash", "shuffle"])
def test_no_split_is_of_the_file_systems_order(
    split: str, plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = load(plain, split=split)
    moved = tmp_path / "far" / "away"
    for number in np.random.default_rng(0).permutation(20):
        save(moved / "abc"[number % 3] / f"{number}.png", int(number))
    assert load(moved, split=split).checksum == before.checksum
    listed = os.walk

    def backwards(*args: Any, **options: Any) -> Any:
        for place, folders, names in listed(*args, **options):
            folders.reverse()
            yield place, folders, names[::-1]

    monkeypatch.setattr(os, "walk", backwards)
    assert load(plain, split=split).checksum == before.checksum
    assert load(plain, split=split, seed=1).checksum != before.checksum


def test_decomposed_names_sort_as_composed_ones(tmp_path: Path) -> None:
    names = ["é", "f", "z", "ö", "e"]
    for form in ("NFC", "NFD"):
        for number, name in enumerate(names):
            save(tmp_path / form / f"{unicodedata.normalize(form, name)}.png", number)
    composed, decomposed = (load(tmp_path / form, split="shuffle") for form in ("NFC", "NFD"))
    assert composed.checksum == decomposed.checksum
    assert composed.files_sha256 == decomposed.files_sha256


def test_a_changed_pixel_changes_the_checksum(plain: Path) -> None:
    before = load(plain).checksum
    save(plain / "a" / "0.png", 99)
    assert load(plain).checksum != before


@pytest.mark.parametrize("named", ["validation", "valid", "val", None])
def test_subfolders_are_the_splits(named: str | None, tmp_path: Path) -> None:
    homes = {"Train": range(20), "test": range(20, 30)} | ({named: range(30, 35)} if named else {})
    for home, members in homes.items():
        for number in members:
            save(tmp_path / home / ("even", "odd")[number % 2] / f"{number}.png", number)
    save(tmp_path / "loose.png", 200)
    save(tmp_path / "extra" / "x.png", 201)
    data = load(tmp_path, validation=0.25, split="shuffle")
    assert sorted(numbers(data.test)) == list(range(20, 30))
    if named:
        assert sorted(numbers(data.train)) == list(range(20))
        assert sorted(numbers(data.validation)) == list(range(30, 35))
    else:
        assert len(data.validation.images) == 5
        assert sorted(numbers(data.train) + numbers(data.validation)) == list(range(20))
    for split in (data.train, data.validation, data.test):
        assert split.labels.tolist() == [number % 2 for number in numbers(split)]
    assert data.notes[0] == "2 images outside the folders of the splits are skipped"
    assert data.notes[1:] == (() if named else ("no subfolder is named validation: drawn from train",))
    assert data.classes == ("even", "odd")


def bad_files(place: Path) -> dict[str, Callable[[Path], object]]:
    """How to write a file that cannot be used, by kind."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8))

    def cut(kind: str) -> Callable[[Path], object]:
        def write(path: Path) -> None:
            noise.save(path, kind)
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])

        return write

    return {
        "truncated png": cut("PNG"),
        "truncated jpeg": cut("JPEG"),
        "truncated gif": cut("GIF"),
        "truncated webp": cut("WEBP"),
        "text": lambda path: path.write_text("not an image at all"),
        "empty": lambda path: path.write_bytes(b""),
        "1x1": lambda path: Image.new("RGB", (1, 1)).save(path, "PNG"),
        "flat": lambda path: Image.new("RGB", (400, 31)).save(path, "PNG"),
        "float": lambda path: Image.new("F", (40, 40)).save(path, "TIFF"),
        "broken link": lambda path: path.symlink_to(place / "nothing"),
    }


@pytest.mark.parametrize("kind", bad_files(Path()))
def test_bad_files_are_skipped_by_name_or_refused(kind: str, plain: Path) -> None:
    before = load(plain)
    bad_files(plain)[kind](plain / "b" / "bad.png")
    data = load(plain)
    assert data.checksum == before.checksum
    assert len(data.notes) == 1
    assert data.notes[0].startswith("1 of 21 files cannot be used: b/bad.png (")
    with pytest.raises(UsageError, match=r"b/bad\.png \(.+\); unreadable=skip") as error:
        load(plain, unreadable="refuse")
    assert "\n" not in str(error.value)


def test_many_bad_files_are_counted(plain: Path) -> None:
    for number in range(9):
        (plain / f"{number}\n.jpg").write_text("")
    note = load(plain).notes[0]
    assert note.startswith("9 of 29 files cannot be used: 0\\n.jpg (not an image), 1\\n.jpg")
    assert note.endswith(" and 6 more")
    assert "\n" not in note


def test_hidden_and_other_files_are_passed_over(plain: Path) -> None:
    before = load(plain)
    save(plain / ".thumbnails" / "x.png", 200)
    save(plain / "a" / "._x.png", 200)
    (plain / "README.txt").write_text("about")
    (plain / "labels").write_text("about")
    data = load(plain)
    assert data.checksum == before.checksum
    assert data.notes == ("2 files without the suffix of a supported image format are skipped",)


def test_links_are_followed_once_and_never_round(plain: Path, tmp_path: Path) -> None:
    (plain / "a" / "up").symlink_to(plain)
    assert len(find(plain).files) == 20
    linked = tmp_path / "linked"
    linked.mkdir()
    for name in "abc":
        (linked / name).symlink_to(plain / name)
    (plain / "a" / "up").unlink()
    assert load(linked).checksum == load(plain).checksum


def test_size_fit_grey_and_levels(tmp_path: Path) -> None:
    for number in range(4):
        oblong = np.zeros((32, 96, 3), np.uint8)
        oblong[:, :32], oblong[:, 32:64], oblong[:, 64:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
        Image.fromarray(oblong).save(tmp_path / f"{number}.png")
    equal = {"split": "shuffle"}  # by their bytes they would all stand in one split
    middle = load(tmp_path, **equal)
    assert middle.image.channels == 3
    expected = torch.tensor([0, 255, 0]).reshape(1, 3, 1, 1).expand(1, 3, 32, 32)
    assert torch.equal(middle.test.images.long(), expected)
    whole = load(tmp_path, fit="stretch", size=24, **equal).test.images
    assert whole.shape == (1, 3, 24, 24)
    # 96 columns of three colours become 24, eight of each.
    assert whole[0, :, 12, [3, 12, 20]].T.tolist() == [[255, 0, 0], [0, 255, 0], [0, 0, 255]]
    grey = load(tmp_path, grey=True, levels=16, **equal)
    assert (grey.image.channels, grey.image.levels) == (1, 16)
    # Luminance of pure green by ITU-R BT.601 is 0.587.
    assert grey.test.images.unique().tolist() == [int(0.587 * 255) * 16 // 256]


def test_a_relative_path_is_from_here_or_else_from_the_root(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = load(plain).checksum
    monkeypatch.chdir(plain)
    assert folder(plain.parent, path="plain").checksum == expected
    assert folder(ELSEWHERE, path=".").checksum == expected


def nothing(place: Path) -> None:
    shutil.rmtree(place)


def a_file(place: Path) -> None:
    shutil.rmtree(place)
    place.write_text("")


def no_images(place: Path) -> None:
    shutil.rmtree(place)
    place.mkdir()
    (place / "notes.txt").write_text("")


def two_images(place: Path) -> None:
    nothing(place)
    save(place / "1.png", 1)
    save(place / "2.png", 2)
    (place / "3.png").write_text("")


def an_empty_test(place: Path) -> None:
    nothing(place)
    for number in range(5):
        save(place / "train" / f"{number}.png", number)
    (place / "test").mkdir()


def empty_splits(place: Path) -> None:
    nothing(place)
    save(place / "x.png", 0)
    (place / "train").mkdir(parents=True)
    (place / "test").mkdir()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (nothing, "no such folder"),
        (a_file, "is a file"),
        (no_images, "suffix of an image"),
        (two_images, r"at least 3 usable images are needed; there are 2; 1 of 3 .* 3\.png \(not an image\)"),
        (an_empty_test, "no usable image is left for the test split"),
        (empty_splits, "below its test and train folders"),
    ],
)
def test_folders_without_enough_images_are_one_line(
    change: Callable[[Path], None], said: str, plain: Path
) -> None:
    change(plain)
    with pytest.raises(UsageError, match=said) as error:
        load(plain)
    assert "\n" not in str(error.value)
    assert str(plain) in str(error.value)


@pytest.mark.parametrize("path", ["~no-such-person/x", "x" * 5_000, "a\0b", "a\nb"])
def test_odd_paths_are_one_line(path: str) -> None:
    with pytest.raises(UsageError, match="no such folder") as error:
        folder(ELSEWHERE, path=path)
    assert "\n" not in str(error.value)


def test_shares_that_leave_no_training_images_are_refused(plain: Path) -> None:
    with pytest.raises(UsageError, match="leave no images for training"):
        load(plain, validation=0.5, test=0.5)
    with pytest.raises(UsageError, match="left for the train split"):
        load(plain, validation=0.01, test=0.98, split="shuffle")
