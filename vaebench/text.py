"""Text for messages: one printable line, and the suggestion of a similar word."""

import re
from collections.abc import Iterable
from typing import Final

# Line ends, other control characters and lone surrogates: a line of text cannot contain these.
CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_LONGEST = 300
"""How many characters of a value a message shows."""


def one_line(value: object) -> str:
    """Format ``value`` for a message: escape control characters and cut out the middle of a long text."""
    line = CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), str(value))
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST // 2]} ... {line[-_LONGEST // 2 :]}"


def nearest(word: str, options: Iterable[str]) -> str:
    """Return ``" (did you mean X?)"`` for the option most similar to ``word``; empty if none is similar."""
    from difflib import get_close_matches

    matches = get_close_matches(word, list(options), n=1)
    return f" (did you mean {matches[0]}?)" if matches else ""
