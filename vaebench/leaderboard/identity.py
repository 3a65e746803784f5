"""What makes two records the same record, two runs seeds of one row, and two data sets one page."""

import hashlib
import re
from dataclasses import dataclass

import msgspec

from vaebench.records import Data, Record, Scores
from vaebench.storage.later import canonical


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A record that has scores, and what it is known by."""

    record: Record
    scores: Scores
    recipe: bytes
    """All that was run but the seed: composition, parts with their versions, settings, what it began from."""
    digest: str


def digest(record: Record) -> str:
    """SHA-256 of a record's content, whatever the order or spacing of its JSON.

    A field that came later and says nothing new is left out, so that an old record stays what it was.
    """
    return hashlib.sha256(canonical(record)).hexdigest()


def recipe(record: Record) -> bytes:
    """See ``ScoredRun.recipe``."""
    fitting = record.fit.settings if record.fit else None
    base = (record.base.command, record.base.frozen) if record.base else None
    said = (record.composition, record.parts, record.training, fitting, base)
    return msgspec.json.encode(said, order="deterministic")


def file_name(record: Record) -> str:
    """``data-composition-seed-digest.json``, of the content alone: different records never share it."""
    stem = f"{_slug(record.data.name)[:40]}-{_slug(record.composition)[:80]}-{str(record.seed)[:20]}"
    return f"{stem}-{digest(record)[:32]}.json"


def named_by(name: str, record: Record) -> bool:
    """Whether a file's name ends with the digest of this record, as ``file_name`` has it."""
    return name.endswith(f"-{digest(record)[:32]}.json")


_DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9]")


def page_name(data: Data) -> str:
    """The page of a data set, without ``.md``: its name, and whether its pixels are binary."""
    slug = _slug(data.name)[:60].strip("-")
    # README.md is the index, also on file systems that ignore case; Windows keeps its devices' names.
    words = ["data", slug] if slug in ("", "readme") or _DEVICE.fullmatch(slug) else [slug]
    if data.levels == 2 and not slug.endswith("binary"):
        words.append("binary")
    return "-".join(word for word in words if word)


def _slug(text: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", text.lower()))
