"""Signals that ask the process to end, as an exception that waits while a step of training is under way."""

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

NAMES = {"SIGINT": "interrupted", "SIGTERM": "terminated", "SIGHUP": "hung up"}
"""The signals, as far as the system has them, and what is said of a process that they end."""
SAME = 0.5
"""Seconds in which further signals are taken for the same: wrappers such as ``timeout`` send one twice."""


class Interrupted(KeyboardInterrupt):
    """A signal asks the process to end; its notes are told to the person, one line in all."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def exit_code(error: BaseException) -> int:
    """128 + the signal, as a shell has it; SIGINT's for a KeyboardInterrupt that no signal made."""
    return 128 + (error.number if isinstance(error, Interrupted) else signal.SIGINT)


def line(error: BaseException) -> str:
    """What is said of the interruption, with its notes."""
    name = signal.Signals(exit_code(error) - 128).name
    return "; ".join([NAMES[name], *getattr(error, "__notes__", ["there was nothing to save"])])


class _Signals:
    """The first signal that has arrived, and whether one is to wait."""

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
    """Raise Interrupted for a signal, and again for a second one; what the process ignores stays ignored.

    In the main thread only: elsewhere, and outside this block, nothing changes.
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
    """Let the first signal wait until the block has ended; a second one does not wait."""
    if not _in_main_thread():
        yield
        return
    _signals.holding = True
    try:
        yield
    finally:
        _signals.holding = False
    if _signals.number is not None:  # it waited, or what it raised before was swallowed by a library
        raise Interrupted(_signals.number)
