"""The folder of leaderboards: ``records/*.json`` are facts, the pages are written from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaebench.errors import DamagedError, UsageError, VaebenchError, refused
from vaebench.files import clear_temporary, write_atomic
from vaebench.leaderboard.identity import digest, file_name, named_by
from vaebench.leaderboard.pages import pages
from vaebench.leaderboard.wording import MARK
from vaebench.locks import held
from vaebench.records import Record, read, to_json

RECORDS = "records"
PATIENCE = 60.0
"""Seconds that one writer waits for another."""
_NAMED = 3


def regenerate(root: Path) -> list[Path]:
    """Write the pages of ``root`` from its records; returns the pages written or removed.

    Every record is read and every page rendered before the first is written. A page is removed only if it
    says that it was generated. Raises DamagedError for files that are not the records that they are named
    by, UsageError for a folder without records.
    """
    _record_files(root)
    with _held(root):
        found = _rendered(root)
        changed = _changed(root, found)
        for path in changed:
            if path.name in found:
                write_atomic(path, found[path.name])
            else:
                path.unlink(missing_ok=True)
    return changed


def check(root: Path) -> list[str]:
    """The names of the pages that ``regenerate`` would write or remove; raises what it raises."""
    return [path.name for path in _changed(root, _rendered(root))]


def submit(record_path: Path, root: Path) -> Path:
    """Copy a record into ``root/records``; returns its file, which is left alone if it holds it already.

    The name follows from the content (``file_name``), so that no submission replaces another record.
    """
    record = read(record_path)
    target = root / RECORDS / file_name(record)
    with _held(root):
        if not _holds(target, record):
            write_atomic(target, to_json(record))
    return target


def _holds(path: Path, record: Record) -> bool:
    try:
        return digest(read(path)) == digest(record)
    except DamagedError:
        return False


def _record_files(root: Path) -> list[Path]:
    records = root / RECORDS
    if not records.is_dir():
        raise UsageError(f"{root} has no folder {RECORDS}; `vaebench submit RUN` makes it")
    return sorted(records.glob("*.json"))


def _read_all(root: Path) -> list[Record]:
    """Every record; DamagedError, with the first few, where files are not the records that they should be."""
    found, wrong = [], []
    for path in _record_files(root):
        try:
            record = read(path)
        except DamagedError as error:
            wrong.append(str(error))
            continue
        if not named_by(path.name, record):
            wrong.append(f"{path} has changed: its name is that of another content, not {file_name(record)}")
        found.append(record)
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise DamagedError("; ".join(wrong[:_NAMED]) + more)
    return found


def _rendered(root: Path) -> dict[str, bytes]:
    return {name: text.encode() for name, text in pages(_read_all(root)).items()}


def _changed(root: Path, found: dict[str, bytes]) -> list[Path]:
    mark = MARK.encode()
    with _one_line(root):
        stale = [
            path
            for path in root.glob("*.md")
            if path.name not in found and (_content(path) or b"").startswith(mark)
        ]
        differing = [root / name for name, content in found.items() if _content(root / name) != content]
    return sorted(stale + differing)


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


@contextmanager
def _held(root: Path) -> Iterator[None]:
    """One writer at a time, without what an interrupted one left behind."""
    with _one_line(root):
        root.mkdir(parents=True, exist_ok=True)
        with held(root, PATIENCE):
            for folder in (root, *root.glob("*/")):
                clear_temporary(folder)
            yield


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """What the file system refuses, as one line."""
    try:
        yield
    except OSError as error:
        raise VaebenchError(refused(error) if error.filename else f"{path}: {refused(error)}") from None
