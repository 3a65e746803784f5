"""Files of the published data sets: found under the data root, else downloaded, else one clear line."""

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

from filelock import FileLock

from vaebench.errors import UsageError
from vaebench.text import one_line

Found = TypeVar("Found")

_SECONDS = 30.0
_LOCK = ".download.lock"


def found_or_downloaded(
    name: str, place: Path, root: Path, wanted: str, load: Callable[[bool], Found]
) -> Found:
    """``load(False)``, which reads files that are there; failing that ``load(True)``, which fetches them.

    :param place: where the files belong, for messages; ``wanted`` names them
    :raises UsageError: where neither works
    """
    with suppress(Exception):  # torchvision raises many kinds; the second try says why
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
            f"put {wanted} there, or name the folder that has them with --data-root or VAEBENCH_DATA"
        ) from error


@contextmanager
def _traceless(place: Path, root: Path) -> Iterator[None]:
    """Leave no lock, and no empty folder that was not there, in a data root that got nothing."""
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
    """A network that swallows packets is given up after ``seconds`` without an answer."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
