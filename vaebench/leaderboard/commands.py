"""The command that reproduces a record with the current version.

A record keeps its command as it was given. Settings that the command does not name had the defaults of that
time; where a default has changed since, the command on the board names the old value.
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
    """A set of settings that a command can name."""

    prefix: str
    default: Training | Scoring
    """Today's defaults."""
    ran: Training | Scoring | None
    """The settings of the run; None where only its command is known."""


def reproducing(record: Record) -> str:
    """The command of a record, preceded by the commands of the runs that it starts from."""
    *before, last = record.command.split(_AND)
    try:
        earlier = [_explicit(command, None) for command in before]
        return _AND.join([*earlier, _explicit(last, record)])
    except ValueError:  # not a command line
        return record.command


def _explicit(command: str, record: Record | None) -> str:
    """Add to a command the settings that it does not name and whose defaults have changed since.

    :param record: the record of the command's run, where it is known
    """
    words = shlex.split(command)
    if words[:1] != ["vaebench"] or words[1:2] not in (["run"], ["refit"]):
        return command
    pairs = [word for flag, word in pairwise(words) if flag == "--set"]
    named = {pair.partition("=")[0] for pair in pairs}
    if "--resume" in words or "--recipe" in words:
        return command  # the other settings stand in the run folder or the recipe
    fits = words[1] == "refit" or any(name.startswith("fit.") for name in named)
    tables = [_Table("", Scoring(), record.scoring if record else None)]
    tables += [_Table("", Training(), record.training if record else None)] if words[1] == "run" else []
    tables += (
        [_Table("fit.", FITTING, record.fit.settings if record and record.fit else None)] if fits else []
    )
    added = [pair for table in tables for name, pair in _changed_defaults(table) if name not in named]
    return " ".join([command, *(f"--set {shlex.quote(pair)}" for pair in added)])


def _changed_defaults(table: _Table) -> Iterator[tuple[str, str]]:
    """Name and ``name=value`` of each setting that differs from today's default."""
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
