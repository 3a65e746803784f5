"""Text for messages: one printable line, and the nearest right word."""

import re
from collections.abc import Iterable
from typing import Final

# Line ends, other control characters and lone surrogates: what cannot stand in a line of text.
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 300
"""Characters of a value that a message shows."""


def one_line(value: object) -> str:
    """The text of ``value`` for a message: control characters escaped, the middle of a long text left out."""
    line = CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), str(value))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def nearest(word: str, options: Iterable[str]) -> str:
    """``" (did you mean X?)"`` for the option most like ``word``; empty where none is like it."""
    from difflib import get_close_matches

    found = get_close_matches(word, list(options), n=1)
    return f" (did you mean {found[0]}?)" if found else ""
