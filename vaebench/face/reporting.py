"""Who is told how training goes, as Python names it."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, TypeAlias

from torch import Tensor

from vaebench.contracts import Scored
from vaebench.progress import reporter
from vaebench.training.loop import Reporter

Progress: TypeAlias = Literal["auto", "json", "off"] | Reporter
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


def reporting(progress: Progress) -> AbstractContextManager[Reporter]:
    """The reporter of this name, shown while it is entered."""
    if not isinstance(progress, str):
        return nullcontext(progress)
    return nullcontext(Nobody()) if progress == "off" else reporter(progress)
