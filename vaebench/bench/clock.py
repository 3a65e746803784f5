"""The remaining time of a track, estimated from its finished runs."""

from collections.abc import Sequence
from statistics import fmean

from vaebench.bench.children import Status
from vaebench.records import Record

_ENOUGH = 0.05


def cost(record: Record) -> float:
    """Seconds that a run took: training, the fit of its prior, scoring."""
    fit = record.fit.seconds if record.fit else 0.0
    return record.budget.train_seconds + fit + record.budget.score_seconds


class Clock:
    """Estimates the seconds left for each run and for all; None as long as no run has finished.

    A run is expected to take the mean time of its entry's other seeds, else of all finished runs.
    """

    def __init__(self, statuses: Sequence[Status]) -> None:
        ended = [(repr(s.run.entry), s.seconds or cost(s.record)) for s in statuses if s.record is not None]
        self._all = [seconds for _, seconds in ended]
        self._of_entry: dict[str, list[float]] = {}
        for entry, seconds in ended:
            self._of_entry.setdefault(entry, []).append(seconds)

    def whole(self, status: Status) -> float | None:
        """The seconds that a run is expected to take."""
        times = self._of_entry.get(repr(status.run.entry)) or self._all
        return fmean(times) if times else None

    def left(self, status: Status) -> float | None:
        """The seconds left for a run; 0 if it has ended."""
        if status.state not in ("missing", "running"):
            return 0.0
        expected = self.whole(status)
        if status.state == "missing" or not status.began:
            return expected
        done = (status.at - status.resumed_at) / max(1, status.of - status.resumed_at)
        if status.phase == "training" and done > _ENOUGH:
            return status.spent * (1 - done) / done
        return None if expected is None else max(0.0, expected - status.spent)

    def total(self, statuses: Sequence[Status], jobs: int) -> float | None:
        """The seconds left for all runs, ``jobs`` at a time."""
        parts = [self.left(status) for status in statuses]
        if any(part is None for part in parts):
            return None
        return sum(filter(None, parts)) / jobs
