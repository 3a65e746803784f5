"""A person's own images: every picture file below a folder."""

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
from vaebench.datasets.folder_layout import Found, UnclearError, classes, find
from vaebench.datasets.images import read_all, read_picture
from vaebench.datasets.splits import Levels, assemble, equal_images, files_sha256, take
from vaebench.errors import UsageError
from vaebench.text import one_line

Fit = Literal["crop", "stretch"]

_NAMED = 3


def folder(
    root: Path,
    *,
    path: Annotated[str, Meta(min_length=1, description="folder of images, searched with all below it")],
    size: Annotated[int, Meta(ge=1, le=1024, description="height and width that images get")] = 32,
    fit: Annotated[Fit, Meta(description="how an oblong image becomes square")] = "crop",
    grey: Annotated[bool, Meta(description="one channel, luminance, in place of three")] = False,
    levels: Levels = None,
    unreadable: Annotated[
        Literal["skip", "refuse"], Meta(description="files that cannot be used: leave out and note, or stop")
    ] = "skip",
    validation: Annotated[
        float, Meta(gt=0, lt=1, description="share of the images, unless a subfolder is the split")
    ] = 0.1,
    test: Annotated[
        float, Meta(gt=0, lt=1, description="share of the images, unless a subfolder is the split")
    ] = 0.1,
    seed: Annotated[int, Meta(ge=0, lt=2**32, description="seed of the random split")] = 0,
    split: Annotated[
        How, Meta(description="random split by each file's bytes, or by a shuffle of all, sorted by name")
    ] = "hash",
    named: Annotated[
        bool, Meta(description="subfolders named train, val, test or alike are the splits")
    ] = True,
) -> Dataset:
    """All images below ``path`` (absolute, or from here, or from ``root``), as 1 or 3 x size x size.

    Subfolders named as splits (train, validation, val, dev, test, eval and alike, in any case and depth) are
    these; of validation and test, what they do not give is drawn from train, and without any, all three are
    random. A random split depends on each file's bytes and the seed alone, and its counts are near the
    shares; ``split=shuffle`` rounds the shares to whole images, and every added file changes it. Folders that
    are no splits are classes, in natural order. Resizing is antialiased and bilinear. A file that is damaged,
    has a side below ``size`` or more than 2^26 pixels cannot be used. Animations give their first frame.

    :raises UsageError: where there is no such folder, names leave open what the splits are, a split would be
        empty, or, with ``unreadable="refuse"``, a file cannot be used
    """
    label = f"folder:{one_line(path)}"
    if validation + test >= 1:
        raise UsageError(f"{label}: validation={validation} and test={test} leave nothing to train on")
    place = _located(label, path, root)
    found = _found(label, place, named)
    read = read_all(
        [place / file for file in found.files],
        lambda file: _square(file, size, fit, grey),
        (1 if grey else 3, size, size),
    )
    skipped = _named(found.files, read.unusable)
    if read.unusable and unreadable == "refuse":
        raise UsageError(f"{label}: {skipped}; unreadable=skip leaves them out")
    usable = [row for row in range(len(found.files)) if row not in read.unusable]
    if len(usable) < 3:
        problem = f"; {skipped}" if skipped else ""
        raise UsageError(f"{label}: {len(usable)} usable images, where 3 are the least{problem}")
    rows = _drawn(found, usable, read.sha256, split, {"validation": validation, "test": test}, seed)
    labels, names = classes([found.kinds[row] for row in usable])
    whole = Split(read.images[usable] if read.unusable else read.images, labels)
    splits = _splits(label, whole, rows, "; split=shuffle gives each its share" if split == "hash" else "")
    return assemble(
        f"folder:{one_line(place.name)}",
        splits,
        levels=levels,
        epochs=50,
        extractor="inception",
        notes=_notes(skipped, found, rows, splits),
        classes=names,
        files_sha256=files_sha256(zip(map(str, found.files), read.sha256, strict=True)),
        settled={"split": split},
    )


def _located(label: str, path: str, root: Path) -> Path:
    here = os.path.expanduser(path)
    places = [os.path.abspath(place) for place in dict.fromkeys((here, os.path.join(root, here)))]
    for place in places:
        if os.path.isdir(place):  # pathlib's raises for names that are too long
            return Path(place)
    files = [place for place in places if os.path.exists(place)]
    if files:
        raise UsageError(f"{label}: a folder of images is expected, and {one_line(files[0])} is a file")
    raise UsageError(f"{label}: no such folder; looked for {' and '.join(map(one_line, places))}")


def _found(label: str, place: Path, named: bool) -> Found:
    try:
        found = find(place, named)
    except OSError as error:
        raise UsageError(f"{label}: {one_line(error.filename)} cannot be listed ({error.strerror})") from None
    except UnclearError as error:
        raise UsageError(
            f"{label}: {one_line(error)}; name subfolders train, validation and test, or say named=false: "
            "then no name tells a split"
        ) from None
    if not found.files:
        where = f"below its {' and '.join(sorted(found.given))} folders" if found.given else "there or below"
        raise UsageError(f"{label}: no file {where} has an image's suffix (.png, .jpg, .webp, ...)")
    return found


def _square(file: Path, size: int, fit: Fit, grey: bool) -> Image.Image:
    picture = read_picture(file, least=size)
    if fit == "crop":
        side = min(picture.size)
        left, upper = (picture.width - side) // 2, (picture.height - side) // 2
        picture = picture.crop((left, upper, left + side, upper + side))
    small = picture.resize((size, size), Image.Resampling.BILINEAR)
    return small.convert("L") if grey else small


def _drawn(
    found: Found,
    usable: Sequence[int],
    sha256: Sequence[str | None],
    how: How,
    shares: Mapping[str, float],
    seed: int,
) -> Drawn:
    """The splits, as numbers of the usable images."""
    roles = [found.roles[row] for row in usable]
    given: dict[str, Tensor] = {
        role: torch.tensor([k for k, of_file in enumerate(roles) if of_file == role], dtype=torch.int64)
        for role in found.given
    }
    return drawn(how, [str(sha256[row]) for row in usable], given, shares, seed)


def _splits(label: str, whole: Split, rows: Drawn, remedy: str) -> tuple[Split, Split, Split]:
    """:param remedy: what is said more where nothing is left of what was drawn"""
    for name, of_split in (("train", rows.train), ("validation", rows.validation), ("test", rows.test)):
        if not len(of_split):
            raise UsageError(f"{label}: no usable image is left for the {name} split{remedy}")
    return take(whole, rows.train), take(whole, rows.validation), take(whole, rows.test)


def _named(files: Sequence[PurePosixPath], unusable: Mapping[int, str]) -> str:
    """``"2 of 9 files cannot be used: a.png (not an image), ..."``, the first few by name; empty for none."""
    if not unusable:
        return ""
    first = [f"{one_line(files[row])} ({why})" for row, why in list(unusable.items())[:_NAMED]]
    more = [f"and {len(unusable) - _NAMED} more"] if len(unusable) > _NAMED else []
    return f"{len(unusable)} of {len(files)} files cannot be used: {', '.join(first + more)}"


def _notes(skipped: str, found: Found, rows: Drawn, splits: tuple[Split, Split, Split]) -> tuple[str, ...]:
    drawn_from_train = [name for name in ("validation", "test") if found.given and name not in found.given]
    notes = (
        skipped,
        f"{found.outside} images are in none of the folders of the splits, and left out"
        if found.outside
        else "",
        f"{found.others} files without the suffix of an image that is read are left out"
        if found.others
        else "",
        f"no subfolder is {' or '.join(drawn_from_train)}: drawn from train" if drawn_from_train else "",
        f"few images: no file's hash falls to {' nor to '.join(rows.short)}, so the nearest were taken; "
        "split=shuffle gives each its share"
        if rows.short
        else "",
        equal_images(*splits),
    )
    return tuple(note for note in notes if note)
