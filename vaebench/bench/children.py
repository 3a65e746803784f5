"""A run as a child process: its command, its progress, and how it ended."""

import os
import shlex
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from vaebench.bench.plan import PlannedRun
from vaebench.records import Record
from vaebench.run import events
from vaebench.run import record as recording

State = Literal["missing", "running", "done", "skipped", "diverged", "failed"]


@dataclass
class Status:
    """The status of one run."""

    run: PlannedRun
    state: State = "missing"
    record: Record | None = None
    phase: str = ""
    """What the run is doing: training, scoring, or waiting for another process that uses its folder."""
    at: int = 0
    of: int = 0
    began: float = 0.0
    resumed_at: int = 0
    """The step from which training was resumed."""
    seconds: float = 0.0
    """Seconds that the run took in this call, once it has ended."""
    line: str = field(default="", repr=False)
    """The last message of the run, which is the reason if it failed."""

    @property
    def spent(self) -> float:
        """Seconds that the run has taken in this call."""
        return time.monotonic() - self.began if self.state == "running" and self.began else self.seconds

    def tell(self, line: str) -> None:
        """Update the status from a line of the child's stderr: an event of ``--progress json``, or text."""
        match events.decode(line):
            case events.Phase(phase=name):
                self.phase, self.at, self.of = name, 0, 0
            case events.Start(step=step, total=total):
                self.at, self.of, self.resumed_at = step, total, step
            case events.Step(step=step):
                self.at = step
            case events.Count(what=what, done=done, total=total):
                self.phase, self.at, self.of = what, done, total
            case None if not events.is_event(line):
                self.line = line.strip() or self.line


def command(run: PlannedRun, data_root: Path | None, device: str) -> list[str]:
    """The arguments of ``vaebench run`` that start or resume a run in its folder."""
    words = [*shlex.split(recording.command(run.request)), "--out", str(run.folder), "--resume"]
    if device != "auto":
        words += ["--device", device]
    if data_root is not None:
        words += ["--data-root", str(data_root)]
    return words


class Child:
    """A child process that does a run, in a process session of its own: Ctrl-C reaches only its parent.

    If the parent dies, the child ends when it next fails to write a line of progress.
    """

    def __init__(self, status: Status, words: list[str], threads: int | None) -> None:
        self.status = status
        environment = dict(os.environ)
        if threads is not None:
            environment.setdefault("OMP_NUM_THREADS", str(threads))
        self.process = subprocess.Popen(
            [sys.executable, "-m", *words, "--progress", "json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env=environment,
            start_new_session=True,
        )

    def wait(self) -> int:
        """Follow the child until it ends; return its exit code."""
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self.status.tell(line)
        return self.process.wait()

    def ask_to_end(self) -> None:
        """Ask the child to save a checkpoint and end (SIGTERM: background jobs of a shell ignore SIGINT)."""
        self.process.terminate()

    def end(self, deadline: float) -> None:
        """Wait for the child until ``deadline`` (monotonic clock), then kill it; its checkpoints remain."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
