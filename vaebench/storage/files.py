"""Atomic files: each is written to a temporary file beside it, flushed to the disk, then renamed.

An OSError that is raised here has the requested file or folder as its ``filename``.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_FLUSHES_FOLDERS = os.name != "nt"
"""Windows cannot open a folder as a file."""
_OLD = ".old.tmp"
"""The suffix of a folder between the two renames that replace it."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Put ``path`` into errors, which name no file (writes, flushes) or a temporary file (renames)."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _flush(path: Path) -> None:
    """Flush a folder's entries to the disk, where the system supports it."""
    if not _FLUSHES_FOLDERS:
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, data: bytes, durable: bool = True) -> None:
    with path.open("xb") as file:  # never through a link that was put there
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file in one step: after a crash it contains the old bytes or the new, never a mixture.

    :param durable: flush to the disk, which takes milliseconds; without it a power loss may empty the file,
        which is acceptable only for a file that can be made again
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with _naming(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.unlink(missing_ok=True)
        try:
            _write(temporary, data, durable)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _flush(path.parent)


def write_folder_atomic(folder: Path, files: Mapping[str, bytes]) -> None:
    """Create a folder with these files in one step; an existing folder is replaced.

    After a crash and ``clear_temporary`` it is the old folder or the new.
    """
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    aside = folder.with_name(f".{folder.name}{_OLD}")
    with _naming(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove(temporary)
        try:
            temporary.mkdir()
            for name, data in files.items():
                _write(temporary / name, data)
            _flush(temporary)
            if folder.exists():
                folder.rename(aside)
            try:
                temporary.rename(folder)
            except OSError:
                with suppress(FileNotFoundError):  # there was none before
                    aside.rename(folder)
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
        _flush(folder.parent)
        _remove(aside)


def remove_folder(folder: Path) -> None:
    """Remove a folder in one step: after a crash and ``clear_temporary`` it is complete or gone."""
    aside = folder.with_name(f".{folder.name}.gone.tmp")
    with _naming(folder):
        folder.rename(aside)
        _remove(aside)


def clear_temporary(folder: Path) -> None:
    """Clean up after an interrupted write; the caller must hold the folder's lock."""
    for litter in folder.glob(".*.tmp"):
        replaced = folder / litter.name.removeprefix(".").removesuffix(_OLD)
        if litter.name.endswith(_OLD) and not replaced.exists():
            litter.rename(replaced)
        else:
            _remove(litter)
