"""Locks that let one process at a time use a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaebench.errors import InUseError, UsageError

LOCK = ".lock"


@contextmanager
def held(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Lock a folder; the kernel releases the lock whenever and however the process ends.

    :param wait: seconds to wait for another process
    :raises InUseError: where another process still holds the lock after ``wait``
    :raises UsageError: where the lock file is a symbolic link, which could lead out of the folder
    """
    from filelock import FileLock, Timeout

    path = folder / LOCK
    if path.is_symlink():
        raise UsageError(f"{path} is a symbolic link: remove it")
    lock = FileLock(path, timeout=wait, poll_interval=0.01)
    try:
        lock.acquire()
    except Timeout:
        raise InUseError(f"{folder} is in use by another process") from None
    try:
        yield
    finally:
        lock.release()
