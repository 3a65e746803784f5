"""Where a row's parts come from, and which of them are not what they were."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from vaebench.hookspecs import UNREGISTERED
from vaebench.leaderboard.identity import page_name
from vaebench.leaderboard.markdown import MISSING, plain, visible
from vaebench.records import PartOrigin, Record

HASH = 12
"""How much of a hash of code a page shows."""
OWN = "vaebench"

Current = Mapping[tuple[str, str, str], str]
"""Slot, name and package of a part that is installed -> the hash of its code now."""


def distributions(record: Record) -> str:
    """The distributions and versions that the parts come from; slots named for those that are not vaebench's.

    As plain markdown.
    """
    slots: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for slot, part in record.parts.items():
        slots[part.package != OWN, f"{part.package} {part.package_version}"].append(slot)
    said = [
        plain(name) + (f" ({plain(', '.join(sorted(owned)))})" if foreign else "")
        for (foreign, name), owned in sorted(slots.items())
    ]
    return "; ".join(said) or MISSING


def code_of(record: Record) -> str:
    """Each part, its distribution where foreign, and the beginning of its code's hash, as plain markdown.

    Empty where the hash of none is known.
    """
    if not any(part.source_sha256 for part in record.parts.values()):
        return ""
    return ", ".join(
        plain(f"{slot}={part.name}")
        + (f" of {plain(f'{part.package} {part.package_version}')}" if part.package != OWN else "")
        + f" {part.source_sha256[:HASH] if part.source_sha256 else '(unknown)'}"
        for slot, part in _ordered(record)
    )


def changed(record: Record, current: Current) -> list[str]:
    """The parts whose code here is not what ran, as ``slot=name of package``.

    A part that is not installed here, or whose hash the record lacks, is unknown and not among them.
    """
    return [
        f"{slot}={part.name} of {part.package}"
        for slot, part in _ordered(record)
        if part.source_sha256 is not None
        and current.get((slot, part.name, part.package), part.source_sha256) != part.source_sha256
    ]


def unnamed(record: Record, current: Current) -> list[str]:
    """The slots of parts that are installed here and whose code the record does not name."""
    return [
        slot
        for slot, part in _ordered(record)
        if part.source_sha256 is None and (slot, part.name, part.package) in current
    ]


def unregistered(record: Record) -> list[str]:
    """The slots whose components, and ``data`` where the data, no plugin registers."""
    slots = [slot for slot, part in _ordered(record) if part.package == UNREGISTERED]
    return slots + (["data"] if record.data.spec.startswith(f"{UNREGISTERED}-") else [])


def stale(records: Iterable[Record], current: Current) -> list[str]:
    """A line for each composition on each page of which a part has ``changed``, with its seeds."""
    found: defaultdict[tuple[str, str, tuple[str, ...]], set[int]] = defaultdict(set)
    for record in records:
        if parts := changed(record, current):
            found[page_name(record.data), record.composition, tuple(parts)].add(record.seed)
    return [
        visible(f"{page}: {composition}, seed {', '.join(map(str, sorted(seeds)))}: {', '.join(parts)}")
        for (page, composition, parts), seeds in sorted(found.items())
    ]


def _ordered(record: Record) -> list[tuple[str, PartOrigin]]:
    """The parts, as the composition names their slots: equal records may hold them in any order."""
    return sorted(record.parts.items(), key=lambda item: (record.composition.find(f"{item[0]}="), item[0]))
