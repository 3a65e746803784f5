"""TOML files: those that are shipped by their names, and their tables."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaebench.errors import UsageError
from vaebench.storage.encoding import plain_utf8
from vaebench.text import nearest, one_line


def shipped(folder: Path) -> dict[str, Path]:
    """The TOML files of a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(said: str, known: dict[str, Path], what: str) -> Path:
    """The file that is meant: a known one by its name, else a path.

    A path is known by a separator, by ``.toml`` at its end, or by being there.

    :param what: the kind of file, for the message
    :raises UsageError: for a word that is neither
    """
    if said in known:
        return known[said]
    path = Path(said)
    if path.suffix == ".toml" or "/" in said or os.sep in said or os.path.exists(said):
        return path
    there = f"those are {', '.join(known)}{nearest(said, known)}"
    raise UsageError(f"{one_line(said)} is neither a file nor a shipped {what}; {there}")


def read(path: Path, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """The table in a file; UsageError, in one line that names the file, where there is none.

    :param parse_float: makes a number with a point or an exponent
    """
    import tomllib

    try:
        return tomllib.loads(plain_utf8(path.read_bytes()).decode(), parse_float=parse_float)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no TOML: {one_line(error)}") from None
