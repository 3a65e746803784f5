"""Short names that distinguish the rows of a section."""

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from vaebench.leaderboard.ranking import Ranked
from vaebench.leaderboard.wording import told_apart


def short_names(entries: Sequence[Ranked]) -> list[str]:
    """Name each row by what distinguishes it: uncommon choices, and parameters that not all rows set.

    A row that has neither is named by the slots in which others differ.
    """
    compositions = [_choices(entry.row.runs[0].record.composition) for entry in entries]
    tally = Counter(choice for choices in compositions for choice in choices.items())
    given = Counter(name for choices in compositions for name in choices)
    common: dict[str, str] = {}
    for (name, value), _ in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        if given[name] == len(compositions):
            common.setdefault(name, value)
    apart = told_apart(entries)
    names = []
    for entry, choices in zip(entries, compositions, strict=True):
        run = entry.row.runs[0]
        own = {name: value for name, value in choices.items() if value != common.get(name)}
        words = html.unescape(apart.get(run.recipe, ""))
        if not own and not words:
            own = {name: value for name, value in choices.items() if tally[name, value] < len(compositions)}
        named = ", ".join(text for text in (_written(own), words) if text)
        names.append(named or run.record.composition)
    return names


def _written(choices: Mapping[str, str]) -> str:
    """Slots before parameters, since long names are cut at the end; equal encoder and decoder as one slot."""
    both = choices.get("enc") if choices.get("enc") == choices.get("dec") else None
    left = choices if both is None else {"enc=dec": both, **choices}
    names = [name for name in left if both is None or name not in ("enc", "dec")]
    return ", ".join(f"{name}={left[name]}" for name in sorted(names, key=lambda name: "." in name))


def _choices(composition: str) -> dict[str, str]:
    """Slot or slot.parameter -> value of a canonical spec, whose values may contain commas."""
    pairs = re.split(r",(?=[a-z]+(?:\.\w+)?=)", composition)
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
