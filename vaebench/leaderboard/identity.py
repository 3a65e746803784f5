"""When two records are the same, two runs belong to one row, and two data sets share a page."""

import hashlib
import re
from dataclasses import dataclass

import msgspec

from vaebench.records import Data, Record, Scores
from vaebench.storage.later import canonical


@dataclass(frozen=True, slots=True)
class ScoredRun:
    """A record with scores, and the values that identify it."""

    record: Record
    scores: Scores
    recipe: bytes
    """Everything but the seed: composition, components with their versions, settings, the base run."""
    digest: str


def digest(record: Record) -> str:
    """SHA-256 of a record's content, independent of the order and spacing of its JSON.

    A later field that holds what its absence meant is left out, so that old records keep their digest.
    """
    return hashlib.sha256(canonical(record)).hexdigest()


def recipe(record: Record) -> bytes:
    """Encode what two runs of one row share; see ``ScoredRun.recipe``."""
    fitting = record.fit.settings if record.fit else None
    base = (record.base.command, record.base.frozen) if record.base else None
    shared = (record.composition, record.parts, record.training, fitting, base)
    return msgspec.json.encode(shared, order="deterministic")


def file_name(record: Record) -> str:
    """``data-composition-seed-digest.json``, from the content alone; different records differ in it."""
    stem = f"{_slug(record.data.name)[:40]}-{_slug(record.composition)[:80]}-{str(record.seed)[:20]}"
    return f"{stem}-{digest(record)[:32]}.json"


def named_by(name: str, record: Record) -> bool:
    """Whether a file's name ends with the digest of this record, as ``file_name`` writes it."""
    return name.endswith(f"-{digest(record)[:32]}.json")


_DEVICE = re.compile("con|prn|aux|nul|(com|lpt)[0-9]")


def page_name(data: Data) -> str:
    """The page of a data set, without ``.md``: its name, with ``-binary`` if the pixels are binary."""
    slug = _slug(data.name)[:60].strip("-")
    # README.md is the index, also on file systems that ignore case; Windows reserves names of devices.
    words = ["data", slug] if slug in ("", "readme") or _DEVICE.fullmatch(slug) else [slug]
    if data.levels == 2 and not slug.endswith("binary"):
        words.append("binary")
    return "-".join(word for word in words if word)


def _slug(text: str) -> str:
    return "-".join(re.findall("[a-z0-9]+", text.lower()))
