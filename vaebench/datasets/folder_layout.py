"""The layout of a folder of images: its files in order, and the splits and classes of subfolders."""

import os
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import torch
from torch import Tensor

from vaebench.datasets.formats import suffixes
from vaebench.datasets.split_names import (
    Role,
    SplitName,
    lists_of_splits,
    read_name,
    read_siblings,
    says_no_more,
)


class UnclearError(Exception):
    """Raised for names that may or may not name splits; the message lists them in one line."""


class Layout(NamedTuple):
    """The image files below a folder."""

    files: list[PurePosixPath]
    """Paths relative to the folder, sorted by name; if subfolders are splits, only files in these."""
    roles: list[Role | None]
    """The split of each file; None for all files if no subfolder is a split."""
    kinds: list[tuple[str, ...]]
    """The folders of each file, topmost first, without those that only name its split."""
    given: frozenset[Role]
    """The splits that subfolders name, including those without images."""
    outside: int
    """How many images are outside the folders of the splits."""
    others: int
    """How many files do not have the suffix of an image."""


def find(place: Path, named: bool = True) -> Layout:
    """Find every file below ``place`` with the suffix of a supported format.

    The order is the same on any file system. Hidden files and folders are ignored; links to folders are
    followed, each folder once.

    :param named: whether subfolders named like splits are the splits
    :raises OSError: if a folder cannot be listed
    :raises UnclearError: if names of subfolders are ambiguous
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
            raise UnclearError(f"{_listed(lists)} may list the splits, but such lists are not supported")
        return _every(images, others)
    if "train" not in tree.given:
        raise UnclearError(f"subfolders are named {_listed(sorted(tree.given))}, but none is named train")
    inside = [image for image in images if image in tree.roles]
    roles: list[Role | None] = [_settled(tree.roles[image], tree.given) for image in inside]
    given = frozenset(_settled(role, tree.given) for role in tree.given)
    kinds = [tree.kinds[image] for image in inside]
    return Layout(inside, roles, kinds, given, len(images) - len(inside), others)


def _every(images: list[PurePosixPath], others: int) -> Layout:
    kinds = [image.parts[:-1] for image in images]
    return Layout(images, [None] * len(images), kinds, frozenset(), 0, others)


def _listed(names: Sequence[str]) -> str:
    return " and ".join(names)


def _settled(role: Role, given: set[Role]) -> Role:
    """Resolve ``evaluation`` to test, or to validation if there is a test split."""
    if role != "evaluation":
        return role
    if {"validation", "test"} <= given:
        raise UnclearError("subfolders are named validation, test and evaluation")
    return "validation" if "test" in given else "test"


class _Tree:
    """Finds splits and classes of images from their folders; splits may be at any depth."""

    def __init__(self, empty: set[PurePosixPath]) -> None:
        self.empty: dict[PurePosixPath, list[str]] = {}
        """Folder -> its subfolders that contain no images."""
        for folder in sorted(empty):
            self.empty.setdefault(folder.parent, []).append(folder.name)
        self.roles: dict[PurePosixPath, Role] = {}
        self.kinds: dict[PurePosixPath, tuple[str, ...]] = {}
        self.given: set[Role] = set()

    def enter(
        self, images: Sequence[PurePosixPath], depth: int, role: Role | None, kinds: tuple[str, ...]
    ) -> None:
        """Interpret the names in one folder and its subfolders.

        :param images: all images below the folder
        :param depth: depth of the folder
        :param role: the split that the folder belongs to
        :param kinds: the parent folders that are not splits
        """
        loose = [image for image in images if len(image.parts) == depth + 1]
        folders: dict[str, list[PurePosixPath]] = {}
        for image in images:
            if len(image.parts) > depth + 1:
                folders.setdefault(image.parts[depth], []).append(image)
        here = PurePosixPath(*images[0].parts[:depth]) if images else PurePosixPath()
        splits = read_siblings([*folders, *self.empty.get(here, ())]) if images else {}
        roles = {match.role for match in splits.values()}
        if len(roles) == 1 and not splits.keys() & folders.keys():
            splits, roles = {}, set()  # an empty folder test/ alone does not define splits
        if _in_file_names(loose) and not splits and role is None:
            self._take_files(loose, kinds)
        elif self._are_splits(here, splits, roles, bool(loose) or bool(folders.keys() - splits), role):
            self.given |= roles
            several = len({match.rest for match in splits.values()}) > 1
            for name, match in splits.items():
                kind = (" ".join(match.rest) or name,) if several else ()
                self.enter(folders.get(name, []), depth + 1, match.role, (*kinds, *kind))
        else:
            for name, inside in folders.items():
                again = role is not None and len(folders) == 1 and not loose and _says(name, role)
                self.enter(inside, depth + 1, role, kinds if again else (*kinds, name))
            for image in loose:
                self._take(image, role, kinds)

    def _are_splits(
        self,
        here: PurePosixPath,
        splits: dict[str, SplitName],
        roles: set[Role],
        more: bool,
        role: Role | None,
    ) -> bool:
        """Whether the names are splits rather than classes.

        :param more: whether there are other images or folders of images next to them
        """
        if role is not None and role != "train" and len(roles) > 1:
            raise UnclearError(f"{here}/ is a split but has subfolders {_listed(list(splits))}")
        if role is not None:
            return len(roles) > 1
        if len(roles) == 1 and more:
            raise UnclearError(f"{here / next(iter(splits))}/ may be a split, or a class next to the others")
        return bool(roles)

    def _take_files(self, images: Sequence[PurePosixPath], kinds: tuple[str, ...]) -> None:
        for image in images:
            match = read_name(image.stem)
            assert match is not None
            self.given.add(match.role)
            self._take(image, match.role, kinds)

    def _take(self, image: PurePosixPath, role: Role | None, kinds: tuple[str, ...]) -> None:
        if role is not None:
            self.roles[image] = role
            self.kinds[image] = kinds


def _in_file_names(images: Sequence[PurePosixPath]) -> bool:
    """Whether every file name contains a split, and several occur: ``train_01.png``, ``test_01.png``."""
    roles = set()
    for image in images:
        match = read_name(image.stem)
        if match is None:
            return False
        roles.add(match.role)
    return len(roles) > 1


def _says(name: str, role: Role) -> bool:
    match = read_name(name)
    return match is not None and match.role == role and not match.rest


def _below(place: Path) -> tuple[list[Path], list[Path]]:
    """All visible files and folders below a folder."""
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
    # Some file systems decompose accents; composed names sort the same everywhere.
    return unicodedata.normalize("NFC", str(file)), str(file)


_NUMBER = re.compile(r"(\d+)")


def natural(name: str) -> tuple[list[tuple[int, str]], str]:
    """A sort key by which 2 comes before 10, and ``b2`` before ``b10``."""
    pieces = _NUMBER.split(name)
    return [(int(piece), "") if k % 2 else (0, piece) for k, piece in enumerate(pieces)], name


def classes(kinds: Sequence[tuple[str, ...]]) -> tuple[Tensor | None, tuple[str, ...]]:
    """The class of each file, (N,) int64, and the names of the classes in natural order.

    The class is the topmost folder that differs between files. None and no names if a file is in no folder,
    or all are in one called ``images`` or similar.
    """
    while kinds and min(map(len, kinds)) > 1 and len({folders[0] for folders in kinds}) == 1:
        kinds = [folders[1:] for folders in kinds]
    if not kinds or not min(map(len, kinds)):
        return None, ()
    tops = [unicodedata.normalize("NFC", folders[0]) for folders in kinds]
    names = tuple(sorted(set(tops), key=natural))
    if len(names) == 1 and says_no_more(names[0]):
        return None, ()
    rank = {name: number for number, name in enumerate(names)}
    return torch.tensor([rank[name] for name in tops]), names
