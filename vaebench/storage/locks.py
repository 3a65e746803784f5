"""One process at a time in a folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaebench.errors import InUseError, UsageError

LOCK = ".lock"


@contextmanager
def held(folder: Path, wait: float = 0.0) -> Iterator[None]:
    """Hold a folder; the kernel frees it when the process ends, however it ends.

    :param wait: seconds
    :raises InUseError: where another process holds it, after ``wait``
    :raises UsageError: where the lock is a link, which would be written through
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
