"""Laws of a folder's random split: a file's bytes and the seed say where it stands, and nothing else."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vaebench.composing.spec import parse_data
from vaebench.contracts import Dataset
from vaebench.datasets.drawing import Drawn, by_hash, by_shuffle
from vaebench.datasets.folder import folder
from vaebench.datasets.load import load as load_spec
from vaebench.errors import UsageError
from vaebench.registry import load as registry
from vaebench.requests.request import data_as_meant
from vaebench.run.folder import RunFolder

SPLITS = ("train", "validation", "test")
shares = st.floats(0.01, 0.49)
seeds = st.integers(0, 2**32 - 1)


def hashes(contents: Sequence[int]) -> list[str]:
    return [hashlib.sha256(str(content).encode()).hexdigest() for content in contents]


def homes(contents: Sequence[int], drawn: Drawn) -> dict[int, int]:
    """What a file holds -> its split: 0 train, 1 validation, 2 test; equal files have one."""
    where: dict[int, set[int]] = {}
    for split, rows in enumerate((drawn.train, drawn.validation, drawn.test)):
        for row in rows.tolist():
            where.setdefault(contents[row], set()).add(split)
    assert all(len(splits) == 1 for splits in where.values())
    return {content: splits.pop() for content, splits in where.items()}


@given(st.lists(st.integers(0, 40), min_size=1, max_size=80), shares, shares, seeds)
def test_each_image_is_in_one_split_and_equal_files_stand_together(
    contents: list[int], validation: float, test: float, seed: int
) -> None:
    drawn = by_hash(hashes(contents), validation, test, seed)
    rows = torch.cat([drawn.train, drawn.validation, drawn.test])
    assert sorted(rows.tolist()) == list(range(len(contents)))
    assert len(homes(contents, drawn)) == len(set(contents))


@given(st.integers(1, 300), shares, shares, seeds, st.data())
def test_an_added_file_moves_no_other(
    count: int, validation: float, test: float, seed: int, data: st.DataObject
) -> None:
    """Few images may leave a split empty; the files that it takes then go back towards train, none comes."""
    contents = data.draw(st.permutations(range(count)))
    before = by_hash(hashes(contents[: data.draw(st.integers(1, count))]), validation, test, seed)
    after = by_hash(hashes(contents), validation, test, seed)
    first, second = homes(contents, before), homes(contents, after)
    if before.short:
        assert all(second[content] <= first[content] for content in first)
    else:
        assert all(second[content] == first[content] for content in first)


@given(st.lists(st.integers(0, 10**6), min_size=5, max_size=60, unique=True), shares, shares, seeds)
def test_the_order_of_the_files_changes_nothing(
    contents: list[int], validation: float, test: float, seed: int
) -> None:
    def ordered(contents: list[int]) -> list[list[int]]:
        drawn = by_hash(hashes(contents), validation, test, seed)
        return [[contents[row] for row in rows] for rows in (drawn.train, drawn.validation, drawn.test)]

    assert ordered(contents) == ordered(contents[::-1])


@given(shares, shares, seeds)
def test_counts_are_binomial_around_the_shares(validation: float, test: float, seed: int) -> None:
    drawn = by_hash(hashes(range(2_000)), validation, test, seed)
    for rows, share in ((drawn.validation, validation), (drawn.test, test)):
        assert abs(len(rows) - 2_000 * share) < 7 * (2_000 * share * (1 - share)) ** 0.5 + 1


@given(st.lists(st.integers(0, 9), min_size=3, max_size=9), shares, shares, seeds)
def test_few_images_fill_test_and_then_validation(
    contents: list[int], validation: float, test: float, seed: int
) -> None:
    drawn = by_hash(hashes(contents), validation, test, seed)
    assert len(drawn.test)
    assert len(drawn.validation) or len(set(contents)) == len({contents[row] for row in drawn.test})
    assert by_hash(hashes(contents), 0.0, test, seed).validation.numel() == 0


def test_another_seed_is_another_split() -> None:
    splits = {tuple(by_hash(hashes(range(50)), 0.2, 0.2, seed).test.tolist()) for seed in range(20)}
    assert len(splits) == 20


@given(st.integers(3, 300), st.floats(0.01, 0.98), st.floats(0.01, 0.98), seeds)
def test_a_shuffle_rounds_the_shares(count: int, validation: float, test: float, seed: int) -> None:
    drawn = by_shuffle(count, validation, test, seed)
    parts = [drawn.train, drawn.validation, drawn.test]
    assert sorted(torch.cat(parts).tolist()) == list(range(count))
    assert len(drawn.test) == max(1, round(count * test))
    assert len(drawn.validation) == min(max(1, round(count * validation)), count - len(drawn.test))


def write(place: Path, name: str, number: int) -> None:
    """A noisy image that is its number's own."""
    path = place / name
    path.parent.mkdir(parents=True, exist_ok=True)
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    Image.fromarray(noise).save(path)


def load(place: Path, **options: Any) -> Dataset:
    return folder(Path("elsewhere"), path=str(place), size=8, **options)


def pixels(data: Dataset) -> dict[bytes, str]:
    return {image.numpy().tobytes(): name for name in SPLITS for image in getattr(data, name).images}


def test_photos_that_are_added_renamed_or_copied_move_none(tmp_path: Path) -> None:
    for number in range(60):
        write(tmp_path, f"{number:03}.png", number)
    before = pixels(load(tmp_path))
    assert set(before.values()) == set(SPLITS)
    (tmp_path / "059.png").rename(tmp_path / "000-first.png")
    for number in range(60, 70):
        write(tmp_path, f"0-{number}.png", number)
    (tmp_path / "copy.png").write_bytes((tmp_path / "030.png").read_bytes())
    data = load(tmp_path)
    assert data.notes == ()
    assert {image: split for image, split in pixels(data).items() if image in before} == before
    assert sum(len(getattr(data, name).images) for name in SPLITS) == 71


def test_renaming_changes_the_files_hash_and_not_the_checksum(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, f"{number}.png", number)
    before = load(tmp_path)
    (tmp_path / "7.png").rename(tmp_path / "z.png")
    after = load(tmp_path)
    assert (after.checksum == before.checksum, after.files_sha256 == before.files_sha256) == (True, False)


def test_files_hash_is_of_bytes_however_they_are_decoded(tmp_path: Path) -> None:
    for number in range(40):
        write(tmp_path, f"{number}.png", number)
    (tmp_path / "damaged.png").write_text("")
    small, large = load(tmp_path), folder(tmp_path, path=str(tmp_path), size=4, fit="stretch")
    assert small.checksum != large.checksum
    assert small.files_sha256 == large.files_sha256
    (tmp_path / "damaged.png").write_text("x")
    other = load(tmp_path)
    assert (other.checksum == small.checksum, other.files_sha256 == small.files_sha256) == (True, False)


def test_equal_images_in_two_splits_are_counted(tmp_path: Path) -> None:
    for split, numbers in (("train", range(9)), ("val", range(7, 12)), ("test", (3, 4, 11, 20))):
        for number in numbers:
            write(tmp_path / split, f"{number}.png", number)
    (note,) = load(tmp_path).notes
    assert note == (
        "equal images in two splits: 2 test images are in train, 2 validation images are in train, "
        "1 test images are in validation too"
    )


@pytest.mark.parametrize("count", range(3, 12))
def test_a_handful_of_photos_has_all_splits_and_says_how(count: int, tmp_path: Path) -> None:
    for number in range(count):
        write(tmp_path, f"{number}.png", number)
    data = load(tmp_path)
    assert all(len(getattr(data, name).images) for name in SPLITS)
    assert all("few images" in note and "split=shuffle" in note for note in data.notes)


def test_copies_of_one_photo_cannot_be_split_by_their_bytes(tmp_path: Path) -> None:
    for number in range(5):
        write(tmp_path, f"{number}.png", 0)
    with pytest.raises(UsageError, match=r"left for the .* split; use split=shuffle"):
        load(tmp_path)
    assert "1 test images are in train" in load(tmp_path, split="shuffle").notes[0]


def test_a_run_names_its_split_and_one_of_before_was_shuffled(tmp_path: Path) -> None:
    for number in range(20):
        write(tmp_path, f"{number}.png", number)
    asked = f"folder:{tmp_path},size=8"
    spec, hashed = load_spec(parse_data(asked), registry(), tmp_path)
    assert str(spec) == f"{asked},split=hash"
    assert data_as_meant(str(spec)) == str(spec)
    assert data_as_meant(asked) == f"{asked},split=shuffle"
    again, shuffled = load_spec(parse_data(data_as_meant(asked)), registry(), tmp_path)
    assert str(again) == data_as_meant(asked)
    assert (len(shuffled.test.images), len(shuffled.validation.images)) == (2, 2)
    assert shuffled.checksum != hashed.checksum
    assert data_as_meant("digits,levels=2") == "digits,levels=2"


def test_a_run_folder_of_before_opens_with_its_split(tmp_path: Path) -> None:
    from vaebench.requests.request import Request
    from vaebench.settings import Scoring, Training

    made = RunFolder(tmp_path)
    request = Request(
        compose="enc=mlp", data="folder:photos,size=8,seed=3", training=Training(), scoring=Scoring(), seed=0
    )
    made.write_request(request)
    assert made.request().data == "folder:photos,seed=3,size=8,split=shuffle"
