"""A person's own images: every file below a folder that Pillow reads."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

from msgspec import Meta
from PIL import Image

from vaebench.contracts import Dataset, Split
from vaebench.datasets.folder_layout import Found, Layout, find, lay_out
from vaebench.datasets.images import read_all, read_picture
from vaebench.datasets.splits import Levels, assemble, take
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
) -> Dataset:
    """All images below ``path`` (absolute, or from here, or from ``root``), as 1 or 3 x size x size.

    Subfolders train/ and test/ are these splits, validation/, valid/ or val/ is that; what they do not give
    is random, over files sorted by name. Subfolders (of the splits, if any) are classes. Resizing is
    antialiased and bilinear. A file that is damaged, has a side below ``size`` or more than 2^26 pixels
    cannot be used. Animations give their first frame.

    :raises UsageError: where there is no such folder, a split would be empty, or, with
        ``unreadable="refuse"``, a file cannot be used
    """
    label = f"folder:{one_line(path)}"
    if validation + test >= 1:
        raise UsageError(f"{label}: validation={validation} and test={test} leave nothing to train on")
    place = _located(label, path, root)
    found = _found(label, place)
    images, unusable = read_all(
        [place / file for file in found.files],
        lambda file: _square(file, size, fit, grey),
        (1 if grey else 3, size, size),
    )
    skipped = _named(found.files, unusable)
    if unusable and unreadable == "refuse":
        raise UsageError(f"{label}: {skipped}; unreadable=skip leaves them out")
    usable = [row for row in range(len(images)) if row not in unusable]
    if len(usable) < 3:
        problem = f"; {skipped}" if skipped else ""
        raise UsageError(f"{label}: {len(usable)} usable images, where 3 are the least{problem}")
    layout = lay_out([found.files[row] for row in usable], found.given, validation, test, seed)
    return assemble(
        f"folder:{one_line(place.name)}",
        _splits(label, Split(images[usable] if unusable else images, layout.labels), layout),
        levels=levels,
        epochs=50,
        extractor="inception",
        notes=_notes(skipped, found.outside, found.others),
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


def _found(label: str, place: Path) -> Found:
    try:
        found = find(place)
    except OSError as error:
        raise UsageError(f"{label}: {one_line(error.filename)} cannot be listed ({error.strerror})") from None
    if not found.files:
        where = "below its train/ and test/" if found.given else "there or below"
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


def _splits(label: str, whole: Split, layout: Layout) -> tuple[Split, Split, Split]:
    for name, rows in (("train", layout.train), ("validation", layout.validation), ("test", layout.test)):
        if not len(rows):
            raise UsageError(f"{label}: no usable image is left for the {name} split")
    return take(whole, layout.train), take(whole, layout.validation), take(whole, layout.test)


def _named(files: Sequence[PurePosixPath], unusable: Mapping[int, str]) -> str:
    """``"2 of 9 files cannot be used: a.png (not an image), ..."``, the first few by name; empty for none."""
    if not unusable:
        return ""
    first = [f"{one_line(files[row])} ({why})" for row, why in list(unusable.items())[:_NAMED]]
    more = [f"and {len(unusable) - _NAMED} more"] if len(unusable) > _NAMED else []
    return f"{len(unusable)} of {len(files)} files cannot be used: {', '.join(first + more)}"


def _notes(skipped: str, outside: int, others: int) -> tuple[str, ...]:
    notes = (
        skipped,
        f"{outside} images are in none of the folders of the splits, and left out" if outside else "",
        f"{others} files without an image's suffix are left out" if others else "",
    )
    return tuple(note for note in notes if note)
