"""Laws of names: what people name splits by is honoured or refused, at any depth; others are classes."""

from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vaebench.contracts import Dataset
from vaebench.datasets.folder import folder
from vaebench.datasets.folder_layout import classes, natural
from vaebench.datasets.split_names import lists_of_splits, read_name, read_siblings
from vaebench.errors import UsageError

TRAIN, VALIDATION, TEST = "train", "validation", "test"


def lay(place: Path, paths: list[str]) -> dict[int, str]:
    """A plain image at each path, whose red says its number -> the path."""
    for number, name in enumerate(paths):
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (number, 0, 0)).save(path)
    return dict(enumerate(paths))


def load(place: Path, **options: Any) -> Dataset:
    return folder(place, path=str(place), size=4, **options)


def splits(data: Dataset, paths: dict[int, str]) -> dict[str, str]:
    """Path -> split, of the images that are in one."""
    return {
        paths[int(image[0, 0, 0])]: name
        for name in (TRAIN, VALIDATION, TEST)
        for image in getattr(data, name).images
    }


def labelled(data: Dataset, paths: dict[int, str]) -> dict[str, str]:
    """Path -> name of its class."""
    return {
        paths[int(image[0, 0, 0])]: data.classes[label]
        for split in (data.train, data.validation, data.test)
        if split.labels is not None
        for image, label in zip(split.images, split.labels, strict=True)
    }


@pytest.mark.parametrize("options", [{}, {"split": "shuffle"}])
def test_each_image_has_the_name_of_its_file(options: dict[str, str], tmp_path: Path) -> None:
    paths = lay(tmp_path, [f"{kind}/{number}.png" for kind in ("cat", "dog") for number in range(20)])
    data = load(tmp_path, **options)
    for name in (TRAIN, VALIDATION, TEST):
        images = getattr(data, name).images
        assert data.names[name] == tuple(paths[int(image[0, 0, 0])] for image in images)


def two_classes(pattern: str, each: int = 4) -> list[str]:
    return [pattern.format(kind) + f"/{number}.png" for kind in ("cat", "dog") for number in range(each)]


# Folders with {} for the class -> the split that each is.
THREE = [
    {"train/{}": TRAIN, "val/{}": VALIDATION, "test/{}": TEST},
    {"Train/{}": TRAIN, "VALID/{}": VALIDATION, "Test/{}": TEST},
    {"training/{}": TRAIN, "validation/{}": VALIDATION, "testing/{}": TEST},
    {"train/{}": TRAIN, "dev/{}": VALIDATION, "test/{}": TEST},
    {"train/{}": TRAIN, "dev/{}": VALIDATION, "eval/{}": TEST},
    {"train/{}": TRAIN, "evaluation/{}": VALIDATION, "test/{}": TEST},
    {"{}/train": TRAIN, "{}/val": VALIDATION, "{}/test": TEST},
    {"images/train/{}": TRAIN, "images/val/{}": VALIDATION, "images/test/{}": TEST},
    {"a/b/{}/Train/c": TRAIN, "a/b/{}/Valid/c": VALIDATION, "a/b/{}/Test/c": TEST},
    {"train2017/{}": TRAIN, "val2017/{}": VALIDATION, "test2017/{}": TEST},
    {"training_set/{}": TRAIN, "validation_set/{}": VALIDATION, "test_set/{}": TEST},
    {"seg_train/{}": TRAIN, "seg_dev/{}": VALIDATION, "seg_test/{}": TEST},
    {"DIV2K_train_HR/{}": TRAIN, "DIV2K_valid_HR/{}": VALIDATION, "DIV2K_test_HR/{}": TEST},
    {"{}_train": TRAIN, "{}_val": VALIDATION, "{}_test": TEST},
    {"TrainImages/{}": TRAIN, "ValImages/{}": VALIDATION, "TestImages/{}": TEST},
    {"train/train/{}": TRAIN, "val/val/{}": VALIDATION, "test1/test1/{}": TEST},
    {"train/train/{}": TRAIN, "train/valid/{}": VALIDATION, "test/{}": TEST},
]
# Words beside a split's are only told from a class's by another split's.
SOME = [
    (kept, layout)
    for layout in THREE
    for kept in ((TRAIN, VALIDATION), (TRAIN, TEST), (TRAIN,))
    if len(kept) == 2 or not any("_" in pattern for pattern in layout) or "test_set/{}" in layout
]


@pytest.mark.parametrize("layout", THREE, ids=lambda layout: " ".join(layout))
def test_three_named_splits_are_these_and_the_rest_are_classes(
    layout: dict[str, str], tmp_path: Path
) -> None:
    expected = {path: split for pattern, split in layout.items() for path in two_classes(pattern)}
    paths = lay(tmp_path, list(expected))
    data = load(tmp_path)
    assert splits(data, paths) == expected
    assert data.classes == ("cat", "dog")
    assert labelled(data, paths) == {path: "cat" if "cat" in path else "dog" for path in expected}
    assert data.notes == ()


@pytest.mark.parametrize("how", ["hash", "shuffle"])
@pytest.mark.parametrize(("kept", "layout"), SOME, ids=" ".join)
def test_what_is_not_named_is_drawn_from_train(
    kept: tuple[str, ...], layout: dict[str, str], how: str, tmp_path: Path
) -> None:
    if "evaluation/{}" in layout and TEST not in kept:
        layout = {"validation/{}" if p == "evaluation/{}" else p: s for p, s in layout.items()}
    expected = {
        path: split
        for pattern, split in layout.items()
        if split in kept
        for path in two_classes(pattern, 20 if split == TRAIN else 5)
    }
    paths = lay(tmp_path, list(expected))
    data = load(tmp_path, split=how)
    there = splits(data, paths)
    assert there.keys() == expected.keys()
    for path, split in expected.items():
        assert there[path] == split or (split == TRAIN and there[path] not in kept)
    assert set(there.values()) == {TRAIN, VALIDATION, TEST}
    drawn = " or ".join(name for name in (VALIDATION, TEST) if name not in kept)
    assert f"no subfolder is named {drawn}: drawn from train" in data.notes
    assert data.classes == ("cat", "dog")


@given(st.sampled_from(["train", "training", "val", "dev", "test", "eval"]), st.randoms())
def test_case_tells_nothing(word: str, random: Any) -> None:
    mixed = random.choice([word.upper(), word.capitalize(), word])
    assert read_name(mixed) == read_name(word) is not None


@pytest.mark.parametrize(
    "name",
    ["trains", "retrain", "testament", "evaluate-me", "latest", "cat", "value", "train_test_split", ""],
)
def test_other_words_are_no_splits(name: str) -> None:
    assert read_name(name) is None


def test_other_words_beside_a_splits_need_a_second_split() -> None:
    assert read_siblings(["train_station", "test_tube", "bus"]) == {}
    assert read_siblings(["seg_train", "seg_test", "seg_pred"]).keys() == {"seg_train", "seg_test"}
    assert read_siblings(["trainA", "trainB", "testA", "testB"]).keys() == {
        "trainA",
        "trainB",
        "testA",
        "testB",
    }


def test_domains_beside_a_splits_word_are_classes(tmp_path: Path) -> None:
    names = ["trainA", "trainB", "valA", "valB", "testA", "testB"]
    lay(tmp_path, [f"{n}/{k}.png" for n in names for k in range(2)])
    data = load(tmp_path)
    assert data.classes == ("a", "b")
    assert data.train.labels is not None
    assert data.train.labels.bincount().tolist() == [2, 2]


def test_file_names_that_begin_with_a_split_are_in_it(tmp_path: Path) -> None:
    expected = {
        f"{w}_{k:03}.png": s
        for w, s in (("train", TRAIN), ("val", VALIDATION), ("test", TEST))
        for k in range(4)
    }
    paths = lay(tmp_path, list(expected))
    assert splits(load(tmp_path), paths) == expected


# Names that leave open what is meant, and what is said.
UNCLEAR = {
    "a test split without train": (["test/{}", "other/{}"], "test/ may be a split, or a class"),
    "a class that is called train": (["bus", "car", "train"], "train/ may be a split, or a class"),
    "loose images beside a split": (["test/{}", "."], "test/ may be a split, or a class"),
    "no train": (["val/{}", "test/{}"], "none is named train"),
    "one split that is not train": (["test/{}"], "none is named train"),
    "three for two": (["train/{}", "val/{}", "test/{}", "eval/{}"], "validation, test and evaluation"),
    "splits in a split": (["train/{}", "test/train/{}", "test/val/{}"], "test/ is a split but has"),
    "deep down": (["x/{}/val", "x/{}/other"], "val/ may be a split, or a class"),
}


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_unclear_is_refused_in_one_line_with_its_remedy(case: str, tmp_path: Path) -> None:
    patterns, text = UNCLEAR[case]
    paths = lay(tmp_path, list(dict.fromkeys(p for pattern in patterns for p in two_classes(pattern, 6))))
    with pytest.raises(UsageError, match=text) as error:
        load(tmp_path)
    assert "\n" not in str(error.value)
    assert "named=false" in str(error.value)
    assert len(splits(load(tmp_path, named=False), paths)) == len(paths)


@pytest.mark.parametrize(
    "lists", [["train.txt", "test.txt"], ["meta/val.csv", "meta/Train.json"], ["split.csv"]]
)
def test_lists_of_splits_are_refused_and_not_passed_over(lists: list[str], tmp_path: Path) -> None:
    lay(tmp_path, two_classes("{}", 10))
    for name in lists:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    with pytest.raises(UsageError, match="such lists are not supported"):
        load(tmp_path)
    load(tmp_path, named=False)
    assert lists_of_splits(["labels.csv", "train.py", "train.txt", "README.txt"]) == []


def test_empty_folders_and_labels_beside_images_disturb_nothing(tmp_path: Path) -> None:
    paths = lay(tmp_path, [f"images/{s}/{k}.png" for s in ("train", "val", "test") for k in range(4)])
    for split in ("train", "val"):
        (tmp_path / "labels" / split).mkdir(parents=True)
        (tmp_path / "labels" / split / "0.txt").write_text("")
    data = load(tmp_path)
    assert splits(data, paths) == {
        path: {"train": TRAIN, "val": VALIDATION, "test": TEST}[path.split("/")[1]] for path in paths.values()
    }
    assert data.train.labels is None


def test_a_folder_test_without_images_beside_classes_says_nothing(tmp_path: Path) -> None:
    lay(tmp_path, two_classes("{}", 20))
    (tmp_path / "tests").mkdir()
    (tmp_path / "test").mkdir()
    assert load(tmp_path).classes == ("cat", "dog")


def test_classes_are_in_natural_order(tmp_path: Path) -> None:
    paths = lay(tmp_path, [f"{kind}/{k}.png" for kind in range(12) for k in range(5)])
    data = load(tmp_path)
    assert data.classes == tuple(map(str, range(12)))
    assert all(path.startswith(f"{name}/") for path, name in labelled(data, paths).items())


@given(st.lists(st.tuples(st.sampled_from(["", "a", "b"]), st.integers(0, 120)), max_size=20))
def test_natural_order_is_of_words_and_then_of_numbers(pairs: list[tuple[str, int]]) -> None:
    names = sorted({f"{word}{number}" for word, number in pairs}, key=natural)
    assert names == [f"{word}{number}" for word, number in sorted(set(pairs))]
    assert sorted(["01", "1", "001"], key=natural) == sorted(["1", "001", "01"], key=natural)


@given(st.lists(st.lists(st.sampled_from("abc"), max_size=3).map(tuple), min_size=1, max_size=12))
def test_a_class_is_the_topmost_folder_that_tells_files_apart(kinds: list[tuple[str, ...]]) -> None:
    labels, names = classes(kinds)
    if not all(kinds):
        assert (labels, names) == (None, ())
        return
    assert labels is not None
    shared = PurePosixPath(*kinds[0]).parts
    while not all(folders[: len(shared)] == shared for folders in kinds):
        shared = shared[:-1]
    depth = min(len(shared), min(map(len, kinds)) - 1)
    assert [names[label] for label in labels] == [folders[depth] for folders in kinds]


def test_names_in_wide_letters_are_read_as_plain_ones(tmp_path: Path) -> None:
    names = ("ｔｒａｉｎ", "ｖａｌ", "ＴＥＳＴ")
    paths = lay(tmp_path, [f"{name}/{number}.png" for name in names for number in range(4)])
    roles = dict(zip(names, (TRAIN, VALIDATION, TEST), strict=True))
    assert splits(load(tmp_path), paths) == {p: roles[p.partition("/")[0]] for p in paths.values()}


@pytest.mark.parametrize("form", ["{}_list.txt", "{}-files.csv", "{}_captions.json"])
def test_lists_with_another_word_beside_the_split_are_refused(form: str, tmp_path: Path) -> None:
    lay(tmp_path, [f"cat/{number}.png" for number in range(20)])
    (tmp_path / form.format("train")).touch()
    assert load(tmp_path).train.images.shape[0]  # one alone may be about anything
    (tmp_path / form.format("test")).touch()
    with pytest.raises(UsageError, match="may list the splits"):
        load(tmp_path)
