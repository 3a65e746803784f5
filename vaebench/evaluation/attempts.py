"""What may fail without costing what was trained and measured before it."""

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from vaebench.errors import VaebenchError
from vaebench.records import Missing
from vaebench.text import one_line

R = TypeVar("R")


class Watcher(Protocol):
    """Who is told how scoring goes."""

    def say(self, line: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None: ...


def attempted(what: str, make: Callable[[], R], watcher: Watcher) -> R | Missing:
    """What is made; where anything but an interruption is raised, why it is missing, which is told too."""
    try:
        return make()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also what a plugin ends a process by
        missing = Missing(why=reason(error))
    watcher.say(f"{what} missing: {missing.why}")
    return missing


def reason(error: BaseException) -> str:
    """One line that a record can hold: the message of this project's errors, else the kind of error too."""
    try:
        text = one_line(" ".join(str(error).split()))
    except Exception:  # an error that cannot even be printed
        text = ""
    if not isinstance(error, VaebenchError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text.encode("utf-8", "replace").decode()


def finite(score: Any) -> bool:
    """Whether every number of a score is one."""
    if isinstance(score, msgspec.Struct):
        score = msgspec.structs.astuple(score)
    if isinstance(score, dict):
        score = list(score.values())
    if isinstance(score, list | tuple):
        return all(map(finite, score))
    return not isinstance(score, float) or math.isfinite(score)
