"""A disk that fails: counts what this process does to files, and at the n-th kills it or refuses."""

import errno
import io
import os
import signal
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

How = Literal["kill", "full", "error"]


class Fault(NamedTuple):
    """What happens at the ``at``-th operation, the first being 1; 0 is never.

    ``kill``: SIGKILL, half of a write done. ``full``: no space, from then on. ``error``: an I/O error, once.
    """

    at: int
    how: How


class Disk:
    """Stands between this process and the operating system's calls that change files."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.done: list[str] = []

    def install(self) -> None:
        """From now on; there is no way back, so only in a process of its own."""
        for name in ("fsync", "rename", "replace", "mkdir", "unlink", "rmdir"):
            setattr(os, name, self._watched(name, getattr(os, name)))
        opened, disk = io.open, self

        class Watched(io.FileIO):
            def write(self, data: Any) -> int:
                disk.point("write", lambda: super(Watched, self).write(data[: len(data) // 2]))
                return super().write(data)

        def watched(file: Any, mode: str = "r", *rest: Any, **more: Any) -> Any:
            if mode in ("wb", "xb"):
                return io.BufferedWriter(Watched(file, mode[0]))
            return opened(file, mode, *rest, **more)

        io.open = watched  # type: ignore[assignment]

    def _watched(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def watched(*words: Any, **named: Any) -> Any:
            self.point(name, lambda: None)
            return call(*words, **named)

        return watched

    def point(self, name: str, half: Callable[[], object]) -> None:
        """One operation is about to begin."""
        self.done.append(name)
        at, how = self.fault
        if how == "full" and 0 < at <= len(self.done) and name in ("write", "fsync", "mkdir"):
            half()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        if len(self.done) != at:
            return
        half()
        if how == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "error":
            raise OSError(errno.EIO, os.strerror(errno.EIO))
