"""The folder of leaderboards: ``records/*.json`` are facts, the pages are written from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from vaebench.errors import DamagedError, UsageError, VaebenchError
from vaebench.files import write_atomic
from vaebench.leaderboard.identity import digest, file_name
from vaebench.leaderboard.pages import pages
from vaebench.leaderboard.wording import MARK
from vaebench.records import Record, read, to_json

RECORDS = "records"


def regenerate(root: Path) -> list[Path]:
    """Write the pages of ``root`` from its records; returns the pages written or removed.

    Every record is read and every page rendered before the first is written. A page is removed only if it
    says that it was generated. Raises DamagedError for a file that is not a record, UsageError for a folder
    without records.
    """
    found = _rendered(root)
    changed = _changed(root, found)
    with _one_line(root):
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
    with _one_line(target):
        if not _holds(target, record):
            write_atomic(target, to_json(record))
    return target


def _holds(path: Path, record: Record) -> bool:
    try:
        return digest(read(path)) == digest(record)
    except DamagedError:
        return False


def _rendered(root: Path) -> dict[str, bytes]:
    records = root / RECORDS
    if not records.is_dir():
        raise UsageError(f"{root} has no folder {RECORDS}; `vaebench submit RUN` makes it")
    found = pages([read(path) for path in sorted(records.glob("*.json"))])
    return {name: text.encode() for name, text in found.items()}


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
def _one_line(path: Path) -> Iterator[None]:
    """What the file system refuses, as one line."""
    try:
        yield
    except OSError as error:
        raise VaebenchError(f"{error.filename or path}: {error.strerror}") from None
