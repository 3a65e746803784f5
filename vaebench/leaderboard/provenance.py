"""Where the components of a row come from, and which of them have changed since."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from vaebench.hookspecs import UNREGISTERED
from vaebench.leaderboard.identity import page_name
from vaebench.leaderboard.markdown import MISSING, plain, visible
from vaebench.records import PartOrigin, Record

HASH = 12
"""Digits of a code hash that a page shows."""
OWN = "vaebench"

Current = Mapping[tuple[str, str, str], str]
"""Slot, name and package of an installed component -> the hash of its code now."""


def distributions(record: Record) -> str:
    """The distributions that the components come from, with versions, as plain markdown.

    Distributions other than vaebench name the slots that they fill.
    """
    slots: defaultdict[tuple[bool, str], list[str]] = defaultdict(list)
    for slot, part in record.parts.items():
        slots[part.package != OWN, f"{part.package} {part.package_version}"].append(slot)
    phrases = [
        plain(name) + (f" ({plain(', '.join(sorted(owned)))})" if foreign else "")
        for (foreign, name), owned in sorted(slots.items())
    ]
    return "; ".join(phrases) or MISSING


def code_of(record: Record) -> str:
    """Each component with the first digits of its code hash, as plain markdown.

    A third-party component is named with its distribution. Empty if no hash is known.
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
    """The components whose installed code differs from the code that ran, as ``slot=name of package``.

    A component that is not installed, or whose hash is not in the record, is not listed.
    """
    return [
        f"{slot}={part.name} of {part.package}"
        for slot, part in _ordered(record)
        if part.source_sha256 is not None
        and current.get((slot, part.name, part.package), part.source_sha256) != part.source_sha256
    ]


def unnamed(record: Record, current: Current) -> list[str]:
    """The slots of installed components for which the record holds no code hash."""
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
    """A line for each composition on each page with a changed component, naming its seeds."""
    seeds_of: defaultdict[tuple[str, str, tuple[str, ...]], set[int]] = defaultdict(set)
    for record in records:
        if parts := changed(record, current):
            seeds_of[page_name(record.data), record.composition, tuple(parts)].add(record.seed)
    return [
        visible(f"{page}: {composition}, seed {', '.join(map(str, sorted(seeds)))}: {', '.join(parts)}")
        for (page, composition, parts), seeds in sorted(seeds_of.items())
    ]


def _ordered(record: Record) -> list[tuple[str, PartOrigin]]:
    """The components in the order of the composition: equal records may hold them in any order."""
    return sorted(record.parts.items(), key=lambda item: (record.composition.find(f"{item[0]}="), item[0]))
