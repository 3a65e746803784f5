"""Who is told how training goes, as Python names it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeAlias

from torch import Tensor

from vaebench.contracts import Scored
from vaebench.errors import UsageError
from vaebench.progress import reporter
from vaebench.run.events import Name
from vaebench.run.reporter import RunReporter
from vaebench.text import one_line

Progress: TypeAlias = Literal["auto", "json", "off"] | RunReporter
"""A bar or lines, one JSON object a line, nothing, or an object of one's own."""


class Nobody:
    """A reporter that shows nothing."""

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        pass

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        pass

    def validated(self, step: int, nats: float, best: bool) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def count(self, what: str, done: int, total: int) -> None:
        pass

    def phase(self, name: Name) -> None:
        pass

    def saved(self, step: int) -> None:
        pass

    def ended(self, status: Literal["ok", "diverged"], bits_per_dim: float | None) -> None:
        pass


def reporting(progress: Progress) -> AbstractContextManager[RunReporter]:
    """The reporter of this name, shown while it is entered."""
    if not isinstance(progress, str):
        if not callable(getattr(progress, "say", None)):
            raise UsageError(
                f"progress={one_line(progress)}: auto, json, off or a reporter is expected, "
                f"not {type(progress).__name__}"
            )
        return nullcontext(progress)
    if progress not in ("auto", "json", "off"):
        raise UsageError(f"progress={one_line(progress)}: auto, json, off or a reporter is expected")
    return nullcontext(Nobody()) if progress == "off" else reporter(progress)
