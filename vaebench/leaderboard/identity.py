"""What makes two records the same record, two runs seeds of one row, and two data sets one page."""

import hashlib
import re
from dataclasses import dataclass

import msgspec

from vaebench.records import Data, Record, Scores


@dataclass(frozen=True, slots=True)
class Run:
    """A record that has scores, and what it is known by."""

    record: Record
    scores: Scores
    recipe: bytes
    """All that was run except the seed: composition, parts with their versions, training settings."""
    digest: str


def digest(record: Record) -> str:
    """SHA-256 of a record's content, whatever the order or spacing of its JSON."""
    return hashlib.sha256(msgspec.json.encode(record, order="deterministic")).hexdigest()


def recipe(record: Record) -> bytes:
    """See ``Run.recipe``."""
    return msgspec.json.encode((record.composition, record.parts, record.training), order="deterministic")


def file_name(record: Record) -> str:
    """``data-composition-seed-digest.json``, of the content alone: different records never share it."""
    stem = f"{_slug(record.data.name)[:40]}-{_slug(record.composition)[:80]}-{str(record.seed)[:20]}"
    return f"{stem}-{digest(record)[:32]}.json"


def page_name(data: Data) -> str:
    """The page of a data set, without ``.md``: its name, and whether its pixels are binary."""
    slug = _slug(data.name)[:60].strip("-")
    # README.md is the index, also on file systems that ignore case.
    words = ["data", slug] if slug in ("", "readme") else [slug]
    if data.levels == 2 and not slug.endswith("binary"):
        words.append("binary")
    return "-".join(word for word in words if word)


def _slug(text: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", text.lower()))
