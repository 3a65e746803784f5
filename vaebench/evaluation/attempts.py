"""Steps that may fail without losing what was trained and measured before."""

import math
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import msgspec

from vaebench.errors import VaebenchError
from vaebench.records import Missing
from vaebench.text import one_line

R = TypeVar("R")


class Watcher(Protocol):
    """Receives messages and progress while a model is scored."""

    def say(self, line: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None: ...


def attempted(what: str, make: Callable[[], R], watcher: Watcher) -> R | Missing:
    """Return what ``make`` returns; if it raises, report the reason and return it as ``Missing``.

    Interruptions are raised again.
    """
    try:
        return make()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # including SystemExit, which a plugin may raise
        missing = Missing(why=reason(error))
    watcher.say(f"{what} missing: {missing.why}")
    return missing


def reason(error: BaseException) -> str:
    """Describe an error in one line: its message, after its type unless it is a VaebenchError."""
    try:
        text = one_line(" ".join(str(error).split()))
    except Exception:  # an error that cannot even be printed
        text = ""
    if not isinstance(error, VaebenchError):
        text = f"{type(error).__name__}: {text}".removesuffix(": ")
    return text.encode("utf-8", "replace").decode()


def finite(score: Any) -> bool:
    """Whether every number of a score is finite."""
    if isinstance(score, msgspec.Struct):
        score = msgspec.structs.astuple(score)
    if isinstance(score, dict):
        score = list(score.values())
    if isinstance(score, list | tuple):
        return all(map(finite, score))
    return not isinstance(score, float) or math.isfinite(score)
