"""The folder of leaderboards: ``records/*.json`` are facts, the pages are written from them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from vaebench.errors import DamagedError, UsageError, VaebenchError, refused
from vaebench.leaderboard import charts, gallery, published
from vaebench.leaderboard.identity import digest, file_name, named_by
from vaebench.leaderboard.pages import pages
from vaebench.leaderboard.provenance import Current, stale, unregistered
from vaebench.leaderboard.wording import MARK
from vaebench.records import Record, read, to_json
from vaebench.storage.encoding import plain_utf8
from vaebench.storage.files import clear_temporary, write_atomic
from vaebench.storage.locks import held

RECORDS = "records"
PATIENCE = 60.0
"""Seconds that one writer waits for another."""
_NAMED = 3


class Outcome(NamedTuple):
    """What a look at the folder found."""

    changed: list[Path]
    """Files of the board that were, or would be, written or removed."""
    stale: list[str]
    """A line for each row whose parts' code is not what ran."""


def regenerate(root: Path, current: Current = MappingProxyType({})) -> Outcome:
    """Write the pages and pictures of ``root`` from its records and ``published.toml``.

    Everything is read and rendered before the first file is written. A page is removed only if it says that
    it was generated, a picture only if its name is one that a board gives. Raises DamagedError for files
    that are not the records that they are named by, UsageError for a folder without records and for unfit
    figures.

    :param current: the code of the parts that are installed
    """
    _record_files(root)
    with _held(root):
        found, outcome = _look(root, current)
        for path in outcome.changed:
            content = found.get(path.relative_to(root).as_posix())
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, content, durable=False)
    return outcome


def check(root: Path, current: Current = MappingProxyType({})) -> Outcome:
    """What ``regenerate`` would do, without doing it; raises what it raises."""
    return _look(root, current)[1]


def submit(record_path: Path, root: Path) -> Path:
    """Copy a record into ``root/records``; returns its file, which is left alone if it holds it already.

    The name follows from the content (``file_name``), so that no submission replaces another record.
    """
    record = read(record_path)
    if slots := unregistered(record):
        raise UsageError(
            f"{record_path} cannot be ranked: no plugin registers its {', '.join(slots)}, so nobody else "
            "could repeat it; vaebench new-plugin writes a package that registers a class"
        )
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
    return sorted(records.glob("*.json"), key=str)


def records_of(root: Path) -> list[Record]:
    """Every record of a folder of leaderboards.

    :raises DamagedError: naming the first few files that are not the records that they should be
    """
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


def _look(root: Path, current: Current) -> tuple[dict[str, bytes], Outcome]:
    records = records_of(root)
    found = pages(records, published.read(root / published.FILE), current)
    return found, Outcome(_changed(root, found), stale(records, current))


def _changed(root: Path, found: dict[str, bytes]) -> list[Path]:
    mark = MARK.encode()
    with _one_line(root):
        written = [path for path in root.glob("*.md") if _text(_content(path)).startswith(mark)]
        pictures = (gallery.OWN, charts.OWN)
        written += [
            path
            for path in root.glob(f"{gallery.FOLDER}/*")
            if any(own.fullmatch(path.name) for own in pictures)
        ]
        gone = [path for path in written if path.relative_to(root).as_posix() not in found]
        differing = [root / name for name, content in found.items() if not _holds_text(root / name, content)]
    return sorted(gone + differing)


def _holds_text(path: Path, content: bytes) -> bool:
    """Whether a file holds this; a page or chart whose line ends git has changed does."""
    there = _content(path)
    return there == content or (path.suffix in (".md", ".svg") and _text(there) == content)


def _text(content: bytes | None) -> bytes:
    try:
        return plain_utf8(content or b"")
    except UnicodeDecodeError:
        return content or b""


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
