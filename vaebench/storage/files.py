"""Files that are whole or not there: written beside their place, flushed to the disk, then renamed.

What the file system refuses is an OSError whose ``filename`` is the file or folder that was asked for.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

_FLUSHES_FOLDERS = os.name != "nt"
"""Windows opens no folder as a file."""
_OLD = ".old.tmp"
"""What a folder is called between the two renames that replace it."""


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Writes and flushes raise errors without a name, renames name a temporary file: say ``path`` instead."""
    try:
        yield
    except OSError as error:
        error.filename, error.filename2 = str(path), None
        raise


def _flush(path: Path) -> None:
    """Flush a folder's entries to the disk, where the system can."""
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
    """Replace a file in one step: after a crash it holds the old bytes or the new, never a mixture.

    :param durable: flushed to the disk, some milliseconds each; without, a loss of power may empty the file:
        for what can be written again from something else
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
    """Make a folder with these files in one step; an existing one is replaced.

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
    """Remove a folder in one step: after a crash and ``clear_temporary`` it is whole or gone."""
    aside = folder.with_name(f".{folder.name}.gone.tmp")
    with _naming(folder):
        folder.rename(aside)
        _remove(aside)


def clear_temporary(folder: Path) -> None:
    """Put right what an interrupted write left behind; only for the process that holds the folder's lock."""
    for litter in folder.glob(".*.tmp"):
        replaced = folder / litter.name.removeprefix(".").removesuffix(_OLD)
        if litter.name.endswith(_OLD) and not replaced.exists():
            litter.rename(replaced)
        else:
            _remove(litter)
