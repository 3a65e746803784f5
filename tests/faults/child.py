"""The command line in a fork of a process that has imported everything: many calls, at little cost each."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, NamedTuple

import torch

from tests.faults.shim import Disk, Fault
from vaebench.cli import main

NEVER = Fault(0, "error")
_FORKS = get_context("forkserver")
_FORKS.set_forkserver_preload(["tests.faults.warm"])


class Ended(NamedTuple):
    """How a call ended: an exit code, or minus a signal."""

    code: int
    out: str
    err: str
    operations: list[str]
    """What it did to files; empty where it was killed."""

    @property
    def line(self) -> str:
        """The one line that says what went wrong; fails where there is none, or more, or a traceback."""
        assert "Traceback" not in self.err, self.err
        lines = [line for line in self.err.splitlines() if line.startswith("vaebench: ")]
        assert len(lines) == 1, self.err
        assert "unexpected" not in lines[0], lines[0]
        return lines[0]


def forked(target: Callable[..., None], *words: Any) -> BaseProcess:
    """A process that has begun with everything imported."""
    process: BaseProcess = _FORKS.Process(target=target, args=words)
    process.start()
    return process


class Call:
    """A call of the command line that has begun."""

    def __init__(self, words: Sequence[object], fault: Fault = NEVER) -> None:
        self._folder = Path(tempfile.mkdtemp())
        self._process = forked(_run, [str(word) for word in words], fault, str(self._folder))

    def wait(self, seconds: float | None = None) -> Ended | None:
        """How it ended; None where it has not within this time."""
        self._process.join(seconds)
        if self._process.exitcode is None:
            return None
        files = [self._folder / name for name in ("out", "err", "done")]
        said = [file.read_text() if file.exists() else "" for file in files]
        shutil.rmtree(self._folder)
        return Ended(self._process.exitcode, said[0], said[1], json.loads(said[2] or "[]"))

    def kill(self) -> None:
        """SIGKILL; returns when it is dead."""
        self._process.kill()
        self._process.join()
        shutil.rmtree(self._folder)


def call(*words: object, fault: Fault = NEVER) -> Ended:
    """``vaebench WORDS`` in a process of its own, on one thread."""
    ended = Call(words, fault).wait()
    assert ended is not None
    return ended


def _run(words: list[str], fault: Fault, folder: str) -> None:
    torch.set_num_threads(1)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    done = os.open(f"{folder}/done", os.O_WRONLY | os.O_CREAT)
    sys.argv = ["vaebench", *words]
    disk = Disk(fault)
    disk.install()
    try:
        main()
    finally:
        os.write(done, json.dumps(disk.done).encode())
        sys.stdout.flush()
        sys.stderr.flush()
