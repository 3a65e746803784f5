"""Short names: what tells a section's rows apart."""

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from vaebench.leaderboard.ranking import Ranked
from vaebench.leaderboard.wording import told_apart


def short_names(entries: Sequence[Ranked]) -> list[str]:
    """What tells each row from all others: choices that are not the commonest, parameters that not all give.

    A row that has neither is named by the slots that differ in others.
    """
    compositions = [_choices(entry.row.runs[0].record.composition) for entry in entries]
    tally = Counter(choice for one in compositions for choice in one.items())
    given = Counter(name for one in compositions for name in one)
    common: dict[str, str] = {}
    for (name, value), _ in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        if given[name] == len(compositions):
            common.setdefault(name, value)
    apart = told_apart(entries)
    found = []
    for entry, one in zip(entries, compositions, strict=True):
        run = entry.row.runs[0]
        own = {name: value for name, value in one.items() if value != common.get(name)}
        words = html.unescape(apart.get(run.recipe, ""))
        if not own and not words:
            own = {name: value for name, value in one.items() if tally[name, value] < len(compositions)}
        named = ", ".join(text for text in (_said(own), words) if text)
        found.append(named or run.record.composition)
    return found


def _said(choices: Mapping[str, str]) -> str:
    """Slots before their parameters, since a long name is cut at its end; one slot of encoder and decoder."""
    both = choices.get("enc") if choices.get("enc") == choices.get("dec") else None
    left = choices if both is None else {"enc=dec": both, **choices}
    names = [name for name in left if both is None or name not in ("enc", "dec")]
    return ", ".join(f"{name}={left[name]}" for name in sorted(names, key=lambda name: "." in name))


def _choices(composition: str) -> dict[str, str]:
    """Slot, or slot.parameter -> value, of a canonical spec; values may hold commas."""
    pairs = re.split(r",(?=[a-z]+(?:\.\w+)?=)", composition)
    return {name: value for name, _, value in (pair.partition("=") for pair in pairs)}
