"""Signals that ask the process to end, raised as an exception that waits for the end of a training step."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
"""The handled signals and the word for a process that each one ends; Windows lacks some of them."""
SAME = 0.5
"""Seconds in which further signals count as the same one: wrappers such as ``timeout`` send one twice."""


class Interrupted(KeyboardInterrupt):
    """A signal asks the process to end; the notes of this exception become part of the one-line message."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(error: BaseException) -> int:
    """Return 128 + the signal's number, as shells do; a plain KeyboardInterrupt counts as SIGINT."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def line(error: BaseException) -> str:
    """Describe the interruption, with its notes, in one line."""
    name = signal.Signals(exit_code(error) - 128).name
    return "; ".join([NAMES[name], *getattr(error, "__notes__", ["there was nothing to save"])])


class _Signals:
    """The first signal that has arrived, and whether signals are held back."""

    def __init__(self) -> None:
        self.number: int | None = None
        self.at = 0.0
        self.holding = False

    def arrived(self, number: int, frame: FrameType | None = None) -> None:
        now = time.monotonic()
        if self.number is None:
            self.number, self.at = number, now
            if self.holding:
                return
        elif now - self.at < SAME:
            return
        raise Interrupted(number)


_signals = _Signals()


def _in_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


@contextmanager
def heeded() -> Iterator[None]:
    """Raise Interrupted for a signal, and again for a second one; ignored signals stay ignored.

    This holds in the main thread and inside this block only; nothing changes elsewhere.
    """
    global _signals
    if not _in_main_thread():
        yield
        return
    _signals = _Signals()
    before = {}
    for name in NAMES:
        number = getattr(signal, name, None)  # Windows has no SIGHUP
        if number is not None and signal.getsignal(number) not in (signal.SIG_IGN, None):
            before[number] = signal.signal(number, _signals.arrived)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        _signals = _Signals()


@contextmanager
def held_back() -> Iterator[None]:
    """Delay the first signal to the end of the block; a second signal is raised at once."""
    if not _in_main_thread():
        yield
        return
    _signals.holding = True
    try:
        yield
    finally:
        _signals.holding = False
    if _signals.number is not None:  # it waited, or a library swallowed what it raised before
        raise Interrupted(_signals.number)
