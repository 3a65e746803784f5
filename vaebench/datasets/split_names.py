"""Recognise splits in names such as ``train``, ``Validation``, ``test2017``, ``seg_test``, ``trainA``."""

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Literal, NamedTuple

Role = Literal["train", "validation", "test", "evaluation"]
"""``evaluation`` is the test split or, if there is one, the validation split."""

_WORDS: Mapping[str, Role] = {
    **dict.fromkeys(("train", "training", "trn", "trainval"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "devel", "development"), "validation"),
    **dict.fromkeys(("test", "testing", "tst", "holdout", "heldout"), "test"),
    **dict.fromkeys(("eval", "evaluation"), "evaluation"),
}
_BESIDE = frozenset(
    (
        "set",
        "sets",
        "data",
        "image",
        "images",
        "img",
        "imgs",
        "photo",
        "photos",
        "picture",
        "pictures",
        "split",
    )
)
"""Words next to the name of a split that carry no meaning."""
_JOINT = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])|[\W_]+")
_TAIL = re.compile("(?:set|data|images|imgs)$")
_LISTS = frozenset((".txt", ".csv", ".tsv", ".json", ".jsonl", ".lst", ".list", ".parquet"))
_ASSIGNMENT = frozenset(("split", "splits", "partition", "partitions"))


class SplitName(NamedTuple):
    """The split that a name contains, and its other words."""

    role: Role
    rest: tuple[str, ...]
    """The other words, without numbers and words like ``set`` and ``images``."""


def read_name(name: str) -> SplitName | None:
    """Find a split in a name; None if it contains no split or several."""
    words = _bare_words(name)
    roles = {_WORDS[word] for word in words if word in _WORDS}
    if roles == {"train", "validation"}:  # train_val
        roles = {"train"}
    if len(roles) != 1:
        return None
    rest = tuple(w for w in words if w not in _WORDS and w not in _BESIDE and not w.isdecimal())
    return SplitName(roles.pop(), rest)


def read_siblings(names: Iterable[str]) -> dict[str, SplitName]:
    """The splits among the folders in one place.

    The word of a split alone is a split. With other words it is one if another split with the same words is
    next to it, as in ``seg_train`` and ``seg_test``; ``train_station`` and ``test_tube`` are no splits.
    """
    matches = {name: match for name in names if (match := read_name(name)) is not None}
    roles: dict[tuple[str, ...], set[Role]] = {}
    for match in matches.values():
        roles.setdefault(match.rest, set()).add(match.role)
    return {n: match for n, match in matches.items() if not match.rest or len(roles[match.rest]) > 1}


def lists_of_splits(names: Iterable[str]) -> list[str]:
    """The names that look like lists of splits: ``train_list.txt`` with ``test_list.txt``; ``split.csv``."""
    lists: dict[str, list[str]] = {}
    for name in names:
        stem, dot, suffix = name.rpartition(".")
        if dot + suffix.casefold() not in _LISTS:
            continue
        if _ASSIGNMENT & set(_words(stem)):
            return [name]
        lists.setdefault(stem, []).append(name)
    splits = read_siblings(lists)
    several = len({match.role for match in splits.values()}) > 1
    return [name for stem in splits for name in lists[stem]] if several else []


def says_no_more(name: str) -> bool:
    """Whether a name has only words without meaning, such as ``images``."""
    return _BESIDE.issuperset(_bare_words(name))


def _bare_words(name: str) -> list[str]:
    return [_TAIL.sub("", word) or word for word in _words(name)]


def _words(name: str) -> list[str]:
    return _JOINT.sub(" ", unicodedata.normalize("NFKC", name)).casefold().split()
