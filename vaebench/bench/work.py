"""Do the missing runs of a track in child processes, several at a time, until every run has ended."""

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path
from threading import Event, Lock, Thread
from types import MappingProxyType

from vaebench.bench.children import Child, State, Status, command
from vaebench.bench.plan import Earlier, PlannedRun, TrackPlan, earlier, finished, submitted
from vaebench.errors import DivergedError, InUseError, VaebenchError
from vaebench.leaderboard import folder as leaderboard
from vaebench.leaderboard.provenance import Current, changed, unnamed
from vaebench.records import Record
from vaebench.run.code import with_other_code
from vaebench.run.folder import RunFolder

ELSEWHERE = "in another process"
GRACE = 10.0
"""Seconds that a child has to end after it is asked to."""


class Work:
    """The runs of a plan, their status, and the processes that do them.

    :param board: the folder of a leaderboard: a record there that answers a run's request counts as done, and
        every new record is submitted to it; None for no leaderboard
    :param current: hashes of the code of the installed components
    :param again: a finished run counts only if the code of its components has not changed since
    """

    def __init__(
        self,
        plan: TrackPlan,
        board: Path | None,
        data_root: Path | None,
        device: str,
        jobs: int = 1,
        current: Current = MappingProxyType({}),
        again: bool = False,
    ) -> None:
        self.plan, self.board = plan, board
        self.data_root, self.device, self.jobs = data_root, device, jobs
        self.current, self.again = current, again
        self.statuses = [Status(run) for run in plan.runs]
        self.earlier: Sequence[Earlier] = ()
        """Missing runs that were done before some settings existed."""
        self._unsubmitted: list[Path] = []
        self._left: deque[Status] = deque()
        self._lock = Lock()
        self._stop = Event()
        self._children: list[Child] = []
        self._error: Exception | None = None
        self.ended: Callable[[Status], None] = lambda status: None
        self._look()

    def _look(self) -> None:
        """Look for finished runs: in their own folders, then on the leaderboard."""
        board = list(filter(self._counts, self._on_the_board()))
        on_board = submitted(self.plan.runs, board)
        for status in self.statuses:
            own = self._finished(status.run)
            record = own or on_board.get(status.run.folder)
            if own is not None and status.run.folder not in on_board:
                self._unsubmitted.append(status.run.folder)
            if record is not None:
                _settle(status, record, "skipped")
        self._left = deque(status for status in self.statuses if status.state == "missing")
        before = [old for old in (earlier(status.run) for status in self._left) if old is not None]
        answered = submitted((old.run for old in before), board)
        self.earlier = [old for old in before if old.run.folder in answered or self._finished(old.run)]

    def _finished(self, run: PlannedRun) -> Record | None:
        record = finished(run)
        return record if record is not None and self._counts(record) else None

    def _counts(self, record: Record) -> bool:
        return not (self.again and (changed(record, self.current) or unnamed(record, self.current)))

    def _on_the_board(self) -> Sequence[Record]:
        """The records of the leaderboard; damage is reported now, before hours of training."""
        if self.board is None or not (self.board / leaderboard.RECORDS).is_dir():
            return ()
        return leaderboard.records_of(self.board)

    @property
    def missing(self) -> Sequence[Status]:
        """The runs that have not begun."""
        return [status for status in self.statuses if status.state == "missing"]

    def go(self, ended: Callable[[Status], None] = lambda status: None) -> None:
        """Do every missing run; a failure stops no other run. Ctrl-C ends the children and is raised again.

        :param ended: called with each run as it ends, from any thread
        """
        self.ended = ended
        for folder in self._unsubmitted:
            self._submit(folder)
        threads = [Thread(target=self._serve, daemon=True) for _ in range(self.jobs)]
        try:
            for thread in threads:
                thread.start()
            while any(thread.is_alive() for thread in threads):
                time.sleep(0.1)
        except KeyboardInterrupt:
            self._halt()
            for thread in threads:
                thread.join()
            raise
        if self._error is not None:
            raise self._error

    def regenerate(self) -> None:
        """Write the pages of the leaderboard again."""
        if self.board is not None and (self.board / leaderboard.RECORDS).is_dir():
            leaderboard.regenerate(self.board, self.current)

    def verdict(self) -> None:
        """Raise an error for the worst outcome: failed or refused runs, else diverged runs."""
        failed = sum(status.state == "failed" for status in self.statuses)
        refused = len(self.plan.refused)
        if failed or refused:
            parts = [f"{failed} of {len(self.statuses)} runs failed"] if failed else []
            parts += (
                [f"{refused} of {refused + len(self._entries())} entries cannot be run"] if refused else []
            )
            raise VaebenchError("; ".join(parts))
        diverged = sum(status.state == "diverged" for status in self.statuses)
        if diverged:
            raise DivergedError(f"{diverged} of {len(self.statuses)} runs diverged")

    def _entries(self) -> set[str]:
        return {repr(status.run.entry) for status in self.statuses}

    def _halt(self) -> None:
        """End all children: ask all of them first, then kill those that remain."""
        with self._lock:
            self._stop.set()
            children = list(self._children)
        for child in children:
            child.ask_to_end()
        deadline = time.monotonic() + GRACE
        for child in children:
            child.end(deadline)

    def _serve(self) -> None:
        try:
            while (status := self._next()) is not None:
                self._do(status)
        except Exception as error:
            self._error = error
            self._halt()

    def _next(self) -> Status | None:
        """The next run; a run that another process is doing goes to the end of the queue."""
        while not self._stop.is_set():
            with self._lock:
                if not self._left:
                    return None
                status = self._left.popleft()
            try:
                with RunFolder(status.run.folder).locked():
                    pass
            except InUseError:
                self._wait_for_other(status)
                continue
            return status
        return None

    def _wait_for_other(self, status: Status) -> None:
        status.state, status.phase = "running", ELSEWHERE
        with self._lock:
            self._left.append(status)
            others = any(other.phase != ELSEWHERE for other in self._left)
        if not others:
            self._stop.wait(0.5)

    def _do(self, status: Status) -> None:
        """Do one run to its end, unless another process has done it meanwhile."""
        run = status.run
        if (record := self._finished(run)) is not None:
            self._end(status, record)
            return
        try:
            self._set_aside(run)
        except InUseError:
            self._wait_for_other(status)
            return
        threads = max(1, (os.cpu_count() or 1) // self.jobs) if self.jobs > 1 else None
        with self._lock:
            if self._stop.is_set():
                return
            status.state, status.phase, status.began = "running", "starting", time.monotonic()
            child = Child(status, command(run, self.data_root, self.device), threads)
            self._children.append(child)
        code = child.wait()
        with self._lock:
            self._children.remove(child)
        status.seconds = status.spent
        if self._stop.is_set() and code != 0:
            status.state, status.phase = "missing", "interrupted"
        elif code == InUseError.exit_code:
            self._wait_for_other(status)
        elif (record := finished(run)) is not None:
            self._end(status, record)
        else:
            status.state = "failed"
            status.line = status.line or f"ended with exit code {code}"
            self.ended(status)

    def _set_aside(self, run: PlannedRun) -> None:
        """Rename the folder of a run that is done again, finished or not, so that it is kept."""
        if not self.again or not self._of_other_code(run):
            return
        with RunFolder(run.folder).locked():
            if not self._of_other_code(run):
                return  # another process has been here
            names = (run.folder.with_name(f"{run.folder.name}.stale{number}") for number in count(1))
            run.folder.rename(next(name for name in names if not name.exists()))

    def _of_other_code(self, run: PlannedRun) -> bool:
        if (record := finished(run)) is not None:
            return not self._counts(record)
        return run.folder.is_dir() and with_other_code(RunFolder(run.folder), run.prepared.composition)

    def _end(self, status: Status, record: Record) -> None:
        _settle(status, record, "done")
        self._submit(status.run.folder)
        self.ended(status)

    def _submit(self, folder: Path) -> None:
        if self.board is not None:
            leaderboard.submit(RunFolder(folder).record, self.board)


def _settle(status: Status, record: Record, good: State) -> None:
    """Set a run's final status from its record."""
    status.record = record
    status.state = "diverged" if record.status == "diverged" else good
