"""TOML files: the shipped ones by name, and their tables."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from vaebench.errors import UsageError
from vaebench.storage.encoding import plain_utf8
from vaebench.text import nearest, one_line


def shipped(folder: Path) -> dict[str, Path]:
    """Return the TOML files of a folder, by name."""
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find(word: str, files: dict[str, Path], what: str) -> Path:
    """Return the file that a word names: one of ``files`` by its name, else a path.

    A word is a path if it has a separator, ends in ``.toml``, or names an existing file.

    :param what: the kind of file, for the message
    :raises UsageError: for a word that is neither
    """
    if word in files:
        return files[word]
    path = Path(word)
    if path.suffix == ".toml" or "/" in word or os.sep in word or os.path.exists(word):
        return path
    shipped_names = f"shipped are {', '.join(files)}{nearest(word, files)}"
    raise UsageError(f"{one_line(word)} is neither a file nor a shipped {what}; {shipped_names}")


def read(path: Path, parse_float: Callable[[str], Any] = float) -> dict[str, Any]:
    """Read the table in a file.

    :param parse_float: converts the text of a number with a point or an exponent
    :raises UsageError: where the file cannot be read or is not valid TOML
    """
    import tomllib

    try:
        return tomllib.loads(plain_utf8(path.read_bytes()).decode(), parse_float=parse_float)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not valid TOML: {one_line(error)}") from None
