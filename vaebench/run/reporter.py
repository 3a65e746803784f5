"""The interface for the progress of a run, from its training to its record."""

from typing import Literal, Protocol

from vaebench.run.events import Name
from vaebench.training.state import Reporter


class RunReporter(Reporter, Protocol):
    """Receives the progress of a run: a progress bar, a log, or JSON events (``vaebench.run.events``)."""

    def phase(self, name: Name) -> None:
        """A new phase of the run begins."""

    def saved(self, step: int) -> None:
        """The checkpoint of this step has been written."""

    def ended(self, status: Literal["ok", "diverged"], bits_per_dim: float | None) -> None:
        """The record of the run has been written.

        :param bits_per_dim: the score on the test images; None where the run diverged
        """
