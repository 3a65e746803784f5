"""A data set of all image files below a folder."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import torch
from msgspec import Meta
from PIL import Image
from torch import Tensor

from vaebench.contracts import Dataset, Split
from vaebench.datasets.drawing import Drawn, How, drawn
from vaebench.datasets.folder_layout import Layout, UnclearError, classes, find
from vaebench.datasets.images import read_all, read_picture
from vaebench.datasets.splits import Levels, assemble, equal_images, files_sha256, take
from vaebench.errors import UsageError
from vaebench.text import one_line

Fit = Literal["crop", "stretch"]

_NAMED = 3


def folder(
    root: Path,
    *,
    path: Annotated[
        str, Meta(min_length=1, description="folder of images, searched with all its subfolders")
    ],
    size: Annotated[int, Meta(ge=1, le=1024, description="height and width of the resized images")] = 32,
    fit: Annotated[Fit, Meta(description="how to make an oblong image square")] = "crop",
    grey: Annotated[bool, Meta(description="use one channel (luminance) instead of three")] = False,
    levels: Levels = None,
    unreadable: Annotated[
        Literal["skip", "refuse"], Meta(description="skip and report files that cannot be used, or stop")
    ] = "skip",
    validation: Annotated[
        float, Meta(gt=0, lt=1, description="share of the images, unless a subfolder is this split")
    ] = 0.1,
    test: Annotated[
        float, Meta(gt=0, lt=1, description="share of the images, unless a subfolder is this split")
    ] = 0.1,
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="seed of the random split")] = 0,
    split: Annotated[
        How, Meta(description="split by a hash of each file, or by a shuffle of all files sorted by name")
    ] = "hash",
    named: Annotated[
        bool, Meta(description="use subfolders named train, val, test or similar as splits")
    ] = True,
) -> Dataset:
    """All images below ``path``, each resized to 1 or 3 x size x size.

    ``path`` is absolute, or relative to the current folder or to ``root``. Subfolders named like splits
    (train, validation, val, dev, test, eval and similar, in any case and at any depth) are the splits. If
    validation or test is missing, it is drawn from train; without such subfolders all splits are random. A
    random split depends only on each file's bytes and the seed, and its counts are near the shares;
    ``split=shuffle`` rounds the shares to whole images, but every added file changes it. Other folders are
    classes, in natural order. Resizing is antialiased and bilinear. A file cannot be used if it is damaged,
    has a side below ``size`` or has more than 2^26 pixels. The first frame of an animation is used.

    :raises UsageError: if there is no such folder, the names of subfolders are ambiguous, a split would be
        empty, or, with ``unreadable="refuse"``, a file cannot be used
    """
    label = f"folder:{one_line(path)}"
    if validation + test >= 1:
        raise UsageError(f"{label}: validation={validation} and test={test} leave no images for training")
    place = _located(label, path, root)
    layout = _layout(label, place, named)
    read = read_all(
        [place / file for file in layout.files],
        lambda file: _square(file, size, fit, grey),
        (1 if grey else 3, size, size),
    )
    skipped = _named(layout.files, read.unusable)
    if read.unusable and unreadable == "refuse":
        raise UsageError(f"{label}: {skipped}; unreadable=skip skips them")
    usable = [row for row in range(len(layout.files)) if row not in read.unusable]
    if len(usable) < 3:
        problem = f"; {skipped}" if skipped else ""
        raise UsageError(f"{label}: at least 3 usable images are needed; there are {len(usable)}{problem}")
    rows = _drawn(layout, usable, read.sha256, split, {"validation": validation, "test": test}, seed)
    labels, names = classes([layout.kinds[row] for row in usable])
    whole = Split(read.images[usable] if read.unusable else read.images, labels)
    splits = _splits(
        label, whole, rows, "; use split=shuffle to give each split its share" if split == "hash" else ""
    )
    return assemble(
        f"folder:{one_line(place.name)}",
        splits,
        levels=levels,
        epochs=50,
        extractor="inception",
        notes=_notes(skipped, layout, rows, splits),
        classes=names,
        names={
            role: tuple(str(layout.files[usable[row]]) for row in chosen.tolist())
            for role, chosen in (("train", rows.train), ("validation", rows.validation), ("test", rows.test))
        },
        files_sha256=files_sha256(zip(map(str, layout.files), read.sha256, strict=True)),
        settled={"split": split},
    )


def _located(label: str, path: str, root: Path) -> Path:
    here = os.path.expanduser(path)
    places = [os.path.abspath(place) for place in dict.fromkeys((here, os.path.join(root, here)))]
    for place in places:
        if os.path.isdir(place):  # pathlib's is_dir raises for names that are too long
            return Path(place)
    files = [place for place in places if os.path.exists(place)]
    if files:
        raise UsageError(f"{label}: a folder of images is expected, but {one_line(files[0])} is a file")
    raise UsageError(f"{label}: no such folder; looked for {' and '.join(map(one_line, places))}")


def _layout(label: str, place: Path, named: bool) -> Layout:
    try:
        layout = find(place, named)
    except OSError as error:
        raise UsageError(f"{label}: {one_line(error.filename)} cannot be listed ({error.strerror})") from None
    except UnclearError as error:
        raise UsageError(
            f"{label}: {one_line(error)}; name the subfolders train, validation and test, or use named=false "
            "to ignore such names"
        ) from None
    if not layout.files:
        where = (
            f"below its {' and '.join(sorted(layout.given))} folders"
            if layout.given
            else "in it or its subfolders"
        )
        raise UsageError(f"{label}: no file {where} has the suffix of an image (.png, .jpg, .webp, ...)")
    return layout


def _square(file: Path, size: int, fit: Fit, grey: bool) -> Image.Image:
    picture = read_picture(file, least=size)
    if fit == "crop":
        side = min(picture.size)
        left, upper = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, upper, left + side, upper + side))
    small = picture.resize((size, size), Image.Resampling.BILINEAR)
    return small.convert("L") if grey else small


def _drawn(
    layout: Layout,
    usable: Sequence[int],
    sha256: Sequence[str | None],
    how: How,
    shares: Mapping[str, float],
    seed: int,
) -> Drawn:
    """The rows of each split among the usable images."""
    roles = [layout.roles[row] for row in usable]
    given: dict[str, Tensor] = {
        role: torch.tensor([k for k, split in enumerate(roles) if split == role], dtype=torch.int64)
        for role in layout.given
    }
    return drawn(how, [str(sha256[row]) for row in usable], given, shares, seed)


def _splits(label: str, whole: Split, rows: Drawn, remedy: str) -> tuple[Split, Split, Split]:
    """Take the rows of each split.

    :param remedy: a hint that is added to the error about an empty split
    """
    for name, of_split in (("train", rows.train), ("validation", rows.validation), ("test", rows.test)):
        if not len(of_split):
            raise UsageError(f"{label}: no usable image is left for the {name} split{remedy}")
    return take(whole, rows.train), take(whole, rows.validation), take(whole, rows.test)


def _named(files: Sequence[PurePosixPath], unusable: Mapping[int, str]) -> str:
    """``"2 of 9 files cannot be used: a.png (not an image), ..."``, naming the first few; empty for none."""
    if not unusable:
        return ""
    first = [f"{one_line(files[row])} ({why})" for row, why in list(unusable.items())[:_NAMED]]
    more = [f"and {len(unusable) - _NAMED} more"] if len(unusable) > _NAMED else []
    return f"{len(unusable)} of {len(files)} files cannot be used: {', '.join(first + more)}"


def _notes(skipped: str, layout: Layout, rows: Drawn, splits: tuple[Split, Split, Split]) -> tuple[str, ...]:
    drawn_from_train = [name for name in ("validation", "test") if layout.given and name not in layout.given]
    notes = (
        skipped,
        f"{layout.outside} images outside the folders of the splits are skipped" if layout.outside else "",
        f"{layout.others} files without the suffix of a supported image format are skipped"
        if layout.others
        else "",
        f"no subfolder is named {' or '.join(drawn_from_train)}: drawn from train"
        if drawn_from_train
        else "",
        f"few images: no file's hash falls into {' or '.join(rows.short)}, so the nearest were taken; "
        "use split=shuffle to give each split its share"
        if rows.short
        else "",
        equal_images(*splits),
    )
    return tuple(note for note in notes if note)
