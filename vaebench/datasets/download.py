"""Files of published data sets: read from the data root, else downloaded, else one clear error."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from vaebench.errors import UsageError
from vaebench.text import one_line

Loaded = TypeVar("Loaded")

_SECONDS = 30.0
_LOCK = ".download.lock"


def found_or_downloaded(
    name: str, place: Path, root: Path, files: str, load: Callable[[bool], Loaded]
) -> Loaded:
    """Call ``load(False)``, which reads existing files; if that fails, ``load(True)``, which downloads them.

    :param place: the folder of the files, for messages
    :param files: the names of the files, for messages
    :raises UsageError: if both fail
    """
    with suppress(Exception):  # torchvision raises many kinds of errors; the second try reports the reason
        return load(False)
    try:
        with _traceless(place, root):
            root.mkdir(parents=True, exist_ok=True)
            # Several runs may start at once, and torchvision downloads onto the final name.
            with FileLock(root / _LOCK), _patience(_SECONDS):
                return load(True)
    except Exception as error:
        lines = str(error).strip().splitlines()
        reason = one_line(lines[-1]) if lines else type(error).__name__
        raise UsageError(
            f"{name}: no usable files in {place}, and none could be downloaded ({reason}); "
            f"put {files} there, or name the data folder with --data-root or VAEBENCH_DATA"
        ) from error


@contextmanager
def _traceless(place: Path, root: Path) -> Iterator[None]:
    """Remove the lock, and new folders that stayed empty, from the data root."""
    ways = (place, *place.parents, root, *root.parents)
    absent = [folder for folder in dict.fromkeys(ways) if not folder.exists()]
    lock = root / _LOCK
    ours = not lock.exists()
    try:
        yield
    finally:
        if ours:
            with suppress(OSError):
                lock.unlink()
        for folder in absent:  # from the innermost on
            with suppress(OSError):
                folder.rmdir()


@contextmanager
def _patience(seconds: float) -> Iterator[None]:
    """Give up on connections that do not answer for ``seconds``."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
