"""The command that reproduces a record, today.

A record keeps the command as it was written. What that did not say then meant the defaults of then; where
today's differ, the command that a board shows says the value.
"""

import shlex
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from vaebench.composing.parameters import text
from vaebench.records import Record
from vaebench.settings import FITTING, Scoring, Training
from vaebench.storage.later import absences

_AND = " && "


class _Table(NamedTuple):
    """The settings of one kind that a command may say."""

    prefix: str
    default: Training | Scoring
    """Today's."""
    ran: Training | Scoring | None
    """What ran; None where only the command tells."""


def reproducing(record: Record) -> str:
    """The command that asks for the run of a record, and before it those of the runs that it starts from."""
    *before, last = record.command.split(_AND)
    try:
        earlier = [_explicit(one, None) for one in before]
        return _AND.join([*earlier, _explicit(last, record)])
    except ValueError:  # it is no command line
        return record.command


def _explicit(command: str, record: Record | None) -> str:
    """A command with what it means and does not say.

    :param record: of its run, where that is known
    """
    words = shlex.split(command)
    if words[:1] != ["vaebench"] or words[1:2] not in (["run"], ["refit"]):
        return command
    pairs = [word for flag, word in pairwise(words) if flag == "--set"]
    told = {pair.partition("=")[0] for pair in pairs}
    if "--resume" in words or "--recipe" in words:
        return command  # these say the rest elsewhere
    fits = words[1] == "refit" or any(name.startswith("fit.") for name in told)
    tables = [_Table("", Scoring(), record.scoring if record else None)]
    tables += [_Table("", Training(), record.training if record else None)] if words[1] == "run" else []
    tables += (
        [_Table("fit.", FITTING, record.fit.settings if record and record.fit else None)] if fits else []
    )
    added = [pair for table in tables for name, pair in _meant(table) if name not in told]
    return " ".join([command, *(f"--set {shlex.quote(pair)}" for pair in added)])


def _meant(table: _Table) -> Iterator[tuple[str, str]]:
    """Name and ``name=value`` of each setting that is not today's default."""
    absent = absences(type(table.default))
    for name in table.default.__struct_fields__:
        default = getattr(table.default, name)
        value = default
        if table.ran is not None:
            value = getattr(table.ran, name)
        elif name in absent:
            value = absent[name].value
        if value != default:
            yield table.prefix + name, f"{table.prefix}{name}={text(value)}"
