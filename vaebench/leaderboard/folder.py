"""The folder of a leaderboard: ``records/*.json`` and the pages that are written from them."""

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
"""Seconds that a writer waits for another writer."""
_NAMED = 3


class Outcome(NamedTuple):
    """The state of a leaderboard's folder."""

    changed: list[Path]
    """Files of the board that were written or removed, or would be."""
    stale: list[str]
    """A line for each row whose components have changed since it was measured."""


def regenerate(root: Path, current: Current = MappingProxyType({})) -> Outcome:
    """Write the pages and pictures of ``root`` from its records and ``published.toml``.

    Everything is read and rendered before the first file is written. A page is removed only if its first
    line says that it was generated, a picture only if its name has the form of a generated one.

    :param current: hashes of the code of the installed components
    :raises DamagedError: for files whose content does not match their name
    :raises UsageError: for a folder without records, and for invalid published figures
    """
    _record_files(root)
    with _held(root):
        rendered, outcome = _look(root, current)
        for path in outcome.changed:
            content = rendered.get(path.relative_to(root).as_posix())
            if content is None:
                path.unlink(missing_ok=True)
            else:
                write_atomic(path, content, durable=False)
    return outcome


def check(root: Path, current: Current = MappingProxyType({})) -> Outcome:
    """Report what ``regenerate`` would do, without doing it; raises the same errors."""
    return _look(root, current)[1]


def submit(record_path: Path, root: Path) -> Path:
    """Copy a record into ``root/records`` and return its file, which is not rewritten if it exists already.

    The name follows from the content (``file_name``), so that a submission never replaces another record.
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
        raise UsageError(f"{root} has no folder {RECORDS}; `vaebench submit RUN` creates it")
    return sorted(records.glob("*.json"), key=str)


def records_of(root: Path) -> list[Record]:
    """Read every record of a leaderboard's folder.

    :raises DamagedError: naming the first few files that are damaged or do not match their name
    """
    records, wrong = [], []
    for path in _record_files(root):
        try:
            record = read(path)
        except DamagedError as error:
            wrong.append(str(error))
            continue
        if not named_by(path.name, record):
            wrong.append(f"{path} has changed: its content belongs to the name {file_name(record)}")
        records.append(record)
    if wrong:
        more = f"; and {len(wrong) - _NAMED} more" if len(wrong) > _NAMED else ""
        raise DamagedError("; ".join(wrong[:_NAMED]) + more)
    return records


def _look(root: Path, current: Current) -> tuple[dict[str, bytes], Outcome]:
    records = records_of(root)
    rendered = pages(records, published.read(root / published.FILE), current)
    return rendered, Outcome(_changed(root, rendered), stale(records, current))


def _changed(root: Path, rendered: dict[str, bytes]) -> list[Path]:
    mark = MARK.encode()
    with _one_line(root):
        written = [path for path in root.glob("*.md") if _text(_content(path)).startswith(mark)]
        pictures = (gallery.OWN, charts.OWN)
        written += [
            path
            for path in root.glob(f"{gallery.FOLDER}/*")
            if any(own.fullmatch(path.name) for own in pictures)
        ]
        gone = [path for path in written if path.relative_to(root).as_posix() not in rendered]
        differing = [
            root / name for name, content in rendered.items() if not _holds_text(root / name, content)
        ]
    return sorted(gone + differing)


def _holds_text(path: Path, content: bytes) -> bool:
    """Whether a file has this content; line ends of pages and charts may differ, as git changes them."""
    actual = _content(path)
    return actual == content or (path.suffix in (".md", ".svg") and _text(actual) == content)


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
    """Let one writer in at a time, and remove temporary files of interrupted ones."""
    with _one_line(root):
        root.mkdir(parents=True, exist_ok=True)
        with held(root, PATIENCE):
            for folder in (root, *root.glob("*/")):
                clear_temporary(folder)
            yield


@contextmanager
def _one_line(path: Path) -> Iterator[None]:
    """Turn an error of the file system into a message of one line."""
    try:
        yield
    except OSError as error:
        raise VaebenchError(refused(error) if error.filename else f"{path}: {refused(error)}") from None
