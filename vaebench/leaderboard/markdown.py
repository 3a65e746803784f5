"""Markdown that text from a record cannot break, and one way to write numbers."""

import functools
import re
from collections.abc import Sequence

MISSING = "—"

_PLAIN = re.compile(r"[^\w ,.=+()/%;:'\"?!-]|_|:(?! )|(?<=[wW])\.")
_CODE = re.compile(r"[\w ,.=+()/%;:@'\"~^$*#{}?!-]+")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def visible(text: str) -> str:
    """Return ``text`` in one line; unprintable characters (controls, line ends, bidi marks) are escaped."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def plain(text: str) -> str:
    """Return ``text`` as literal text for a paragraph or a table's cell.

    Characters with a meaning in markdown become character references, which never mark structure (CommonMark
    0.31, section 2.5); so do those from which GitHub makes a link or a picture: the colon of a scheme, a
    colon before a name, the first dot after "www".
    """
    return _PLAIN.sub(lambda match: f"&#{ord(match[0])};", visible(text))


@functools.lru_cache(maxsize=4096)
def code(text: str) -> str:
    """Return ``text`` as a code span if that is safe, also in a table; else as ``plain``."""
    return f"`{text}`" if _CODE.fullmatch(text) else plain(text)


def fenced(lines: Sequence[str], indent: str) -> str:
    """A code block of ``lines`` in a list item; its fence is longer than any run of backticks in them."""
    shown = [visible(line) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(indent + line for line in (f"{fence}sh", *shown, fence))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    """A GitHub table, its cells not padded: otherwise a longer cell would change every line of the file."""
    rule = "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def superscript(number: int) -> str:
    """The mark of a footnote."""
    return str(number).translate(_SUPERSCRIPT)


def fixed(value: float, digits: int) -> str:
    """``value`` with ``digits`` decimals and thousands separated; from 10⁹ on, three significant digits."""
    return f"{value:z,.{digits}f}" if abs(value) < 1e9 else f"{value:.3g}"
