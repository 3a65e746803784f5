"""How a folder of images is laid out: its files in one order, the splits and classes that subfolders name."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from vaebench.datasets.formats import suffixes
from vaebench.datasets.split_names import Role, Told, lists_of_splits, read_name, read_siblings, says_no_more


class UnclearError(Exception):
    """Names that may tell splits and may not; the text says which, in one line."""


class Found(NamedTuple):
    """What lies below a folder."""

    files: list[PurePosixPath]
    """Relative to the folder, sorted by name; where subfolders are the splits, only what is in these."""
    roles: list[Role | None]
    """The split that each file is in; None for all files where no subfolder is a split."""
    kinds: list[tuple[str, ...]]
    """The folders of each file but those that only tell its split, topmost first."""
    given: frozenset[Role]
    """The splits that subfolders are, those without any image among them."""
    outside: int
    """How many images are in none of the splits' folders."""
    others: int
    """How many files lack an image's suffix."""


def find(place: Path, named: bool = True) -> Found:
    """Every file below ``place`` with the suffix of a format that is read, in an order any file system gives.

    Hidden files and folders are passed over; links to folders are followed, into each folder once.

    :param named: take subfolders that are named as splits for these
    :raises OSError: where a folder cannot be listed
    :raises UnclearError: where names leave open what the splits are
    """
    below, folders = _below(place)
    names = [PurePosixPath(file.relative_to(place).as_posix()) for file in below]
    images = sorted((name for name in names if name.suffix.lower() in suffixes()), key=_order)
    others = len(names) - len(images)
    if not named or not images:
        return _every(images, others)
    full = {parent for image in images for parent in image.parents}
    tree = _Tree({PurePosixPath(folder.relative_to(place).as_posix()) for folder in folders} - full)
    tree.enter(images, 0, None, ())
    if not tree.given:
        if lists := lists_of_splits(name.name for name in names):
            raise UnclearError(f"{_listed(lists)} may tell the splits, and no such list is read")
        return _every(images, others)
    if "train" not in tree.given:
        raise UnclearError(f"subfolders are named as {_listed(sorted(tree.given))}, and none as train")
    inside = [image for image in images if image in tree.roles]
    roles: list[Role | None] = [_settled(tree.roles[image], tree.given) for image in inside]
    given = frozenset(_settled(role, tree.given) for role in tree.given)
    kinds = [tree.kinds[image] for image in inside]
    return Found(inside, roles, kinds, given, len(images) - len(inside), others)


def _every(images: list[PurePosixPath], others: int) -> Found:
    kinds = [image.parts[:-1] for image in images]
    return Found(images, [None] * len(images), kinds, frozenset(), 0, others)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


def _settled(role: Role, given: set[Role]) -> Role:
    """What ``evaluation`` is: the split that is not there otherwise."""
    if role != "evaluation":
        return role
    if {"validation", "test"} <= given:
        raise UnclearError("subfolders are named as validation, test and evaluation")
    return "validation" if "test" in given else "test"


class _Tree:
    """Splits and classes of images by the folders on their way, at whatever depth the splits are."""

    def __init__(self, empty: set[PurePosixPath]) -> None:
        self.empty: dict[PurePosixPath, list[str]] = {}
        """Folder -> the folders in it without any image below."""
        for folder in sorted(empty):
            self.empty.setdefault(folder.parent, []).append(folder.name)
        self.roles: dict[PurePosixPath, Role] = {}
        self.kinds: dict[PurePosixPath, tuple[str, ...]] = {}
        self.given: set[Role] = set()

    def enter(
        self, images: Sequence[PurePosixPath], depth: int, role: Role | None, kinds: tuple[str, ...]
    ) -> None:
        """Read the names in one folder, which has these images below it, and go on below.

        :param depth: of the folder
        :param role: the split that the folder is in
        :param kinds: the folders on the way that are no splits
        """
        loose = [image for image in images if len(image.parts) == depth + 1]
        folders: dict[str, list[PurePosixPath]] = {}
        for image in images:
            if len(image.parts) > depth + 1:
                folders.setdefault(image.parts[depth], []).append(image)
        here = PurePosixPath(*images[0].parts[:depth]) if images else PurePosixPath()
        splits = read_siblings([*folders, *self.empty.get(here, ())]) if images else {}
        roles = {told.role for told in splits.values()}
        if len(roles) == 1 and not splits.keys() & folders.keys():
            splits, roles = {}, set()  # a folder test/ without images says nothing
        if _in_file_names(loose) and not splits and role is None:
            self._take_files(loose, kinds)
        elif self._are_splits(here, splits, roles, bool(loose) or bool(folders.keys() - splits), role):
            self.given |= roles
            several = len({told.rest for told in splits.values()}) > 1
            for name, told in splits.items():
                kind = (" ".join(told.rest) or name,) if several else ()
                self.enter(folders.get(name, []), depth + 1, told.role, (*kinds, *kind))
        else:
            for name, inside in folders.items():
                again = role is not None and len(folders) == 1 and not loose and _says(name, role)
                self.enter(inside, depth + 1, role, kinds if again else (*kinds, name))
            for image in loose:
                self._take(image, role, kinds)

    def _are_splits(
        self, here: PurePosixPath, splits: dict[str, Told], roles: set[Role], more: bool, role: Role | None
    ) -> bool:
        """Whether the names are those of splits, and not of classes.

        :param more: there are other images or folders of images beside them
        """
        if role is not None and role != "train" and len(roles) > 1:
            raise UnclearError(f"{here}/ is a split and has subfolders {_listed(list(splits))}")
        if role is not None:
            return len(roles) > 1
        if len(roles) == 1 and more:
            raise UnclearError(f"{here / next(iter(splits))}/ may be a split or a class beside the others")
        return bool(roles)

    def _take_files(self, images: Sequence[PurePosixPath], kinds: tuple[str, ...]) -> None:
        for image in images:
            told = read_name(image.stem)
            assert told is not None
            self.given.add(told.role)
            self._take(image, told.role, kinds)

    def _take(self, image: PurePosixPath, role: Role | None, kinds: tuple[str, ...]) -> None:
        if role is not None:
            self.roles[image] = role
            self.kinds[image] = kinds


def _in_file_names(images: Sequence[PurePosixPath]) -> bool:
    """Whether each file's own name tells a split, and not all the same: ``train_01.png``, ``test_01.png``."""
    roles = set()
    for image in images:
        told = read_name(image.stem)
        if told is None:
            return False
        roles.add(told.role)
    return len(roles) > 1


def _says(name: str, role: Role) -> bool:
    told = read_name(name)
    return told is not None and told.role == role and not told.rest


def _below(place: Path) -> tuple[list[Path], list[Path]]:
    """All files and all folders."""
    files: list[Path] = []
    seen: set[str] = set()
    passed: list[Path] = []
    for folder, folders, names in os.walk(place, followlinks=True, onerror=_stop):
        real = os.path.realpath(folder)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        files += [Path(folder, name) for name in names if not name.startswith(".")]
        passed.append(Path(folder))
    return files, passed


def _stop(error: OSError) -> None:
    raise error


def _order(file: PurePosixPath) -> tuple[str, str]:
    # Some file systems decompose accents in names; composed, they sort alike everywhere.
    return unicodedata.normalize("NFC", str(file)), str(file)


_NUMBER = re.compile(r"(\d+)")


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A key by which 2 stands before 10, and ``b2`` before ``b10``."""
    pieces = _NUMBER.split(name)
    return [(int(piece), "") if k % 2 else (0, piece) for k, piece in enumerate(pieces)], name


def classes(kinds: Sequence[tuple[str, ...]]) -> tuple[Tensor | None, tuple[str, ...]]:
    """The class of each file (N,) int64, and the names of the classes in natural order.

    A class is the topmost folder that tells files apart; None and no names where a file is in no folder, or
    all are in one that is called ``images`` or alike.
    """
    while kinds and min(map(len, kinds)) > 1 and len({folders[0] for folders in kinds}) == 1:
        kinds = [folders[1:] for folders in kinds]
    if not kinds or not min(map(len, kinds)):
        return None, ()
    of_each = [unicodedata.normalize("NFC", folders[0]) for folders in kinds]
    names = tuple(sorted(set(of_each), key=natural))
    if len(names) == 1 and says_no_more(names[0]):
        return None, ()
    rank = {name: number for number, name in enumerate(names)}
    return torch.tensor([rank[name] for name in of_each]), names
