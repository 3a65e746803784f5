"""Files that are whole or not there: written beside their place, flushed to the disk, then renamed."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write(path: Path, data: bytes, durable: bool = True) -> None:
    with path.open("wb") as file:
        file.write(data)
        if durable:
            file.flush()
            os.fsync(file.fileno())


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace a file in one step: after a crash it holds the old bytes or the new, never a mixture.

    :param durable: flushed to the disk, some milliseconds each; without, a loss of power may empty the file:
        for what can be written again from something else
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        _write(temporary, data, durable)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _flush(path.parent)


def write_folder_atomic(folder: Path, files: Mapping[str, bytes]) -> None:
    """Make a folder with these files in one step; an existing one is replaced (old or new after a crash,
    or in the instant between two renames, none)."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    try:
        for name, data in files.items():
            _write(temporary / name, data)
        _flush(temporary)
        aside = folder.with_name(f".{folder.name}.old.tmp")
        if folder.exists():
            folder.rename(aside)
        temporary.rename(folder)
        shutil.rmtree(aside, ignore_errors=True)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _flush(folder.parent)


def clear_temporary(folder: Path) -> None:
    """Remove what an interrupted write left behind; only for the process that holds the folder's lock."""
    for litter in folder.glob(".*.tmp"):
        shutil.rmtree(litter) if litter.is_dir() else litter.unlink(missing_ok=True)
