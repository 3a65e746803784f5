"""Who is told how a run goes, from its training to its record."""

from typing import Literal, Protocol

from vaebench.run.events import Name
from vaebench.training.loop import Reporter


class RunReporter(Reporter, Protocol):
    """A progress bar, lines of a log, or a program that watches (``vaebench.run.events``)."""

    def phase(self, name: Name) -> None:
        """What comes next."""

    def saved(self, step: int) -> None:
        """A checkpoint of this step is on the disk."""

    def ended(self, status: Literal["ok", "diverged"], bits_per_dim: float | None) -> None:
        """The record is written."""
