"""Short names: what tells a section's rows apart."""

import html
import re
from collections import Counter
from collections.abc import Mapping, Sequence

from vaebench.leaderboard.ranking import Ranked
from vaebench.leaderboard.wording import told_apart


def short_names(entries: Sequence[Ranked]) -> list[str]:
    """What tells each row from the others: the slots and parameters that are not the commonest.

    A row that has the commonest everywhere is named by its slots that differ in others.
    """
    compositions = [_choices(entry.row.runs[0].record.composition) for entry in entries]
    apart = told_apart(entries)
    tally = Counter((name, value) for one in compositions for name, value in one.items())
    common: dict[str, str | None] = {}
    for (name, value), count in sorted(tally.items(), key=lambda item: (-item[1], item[0])):
        absent = len(compositions) - sum(name in one for one in compositions)
        common.setdefault(name, value if count >= absent else None)
    found = []
    for entry, one in zip(entries, compositions, strict=True):
        run = entry.row.runs[0]
        own = {name: value for name, value in one.items() if value != common[name]}
        apart_in = {name: value for name, value in one.items() if tally[name, value] < len(compositions)}
        words = html.unescape(apart.get(run.recipe, ""))
        said = _said(own) or (not words and (_said(apart_in) or run.record.composition))
        found.append(", ".join(text for text in (said, words) if text))
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
