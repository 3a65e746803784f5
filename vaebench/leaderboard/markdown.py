"""Text from strangers as inert markdown, and numbers that are always written the same way."""

import functools
import re
from collections.abc import Sequence

MISSING = "—"

_PLAIN = re.compile(r"[^\w ,.=+()/%;:'\"?!-]|_|:(?! )|(?<=[wW])\.")
_CODE = re.compile(r"[\w ,.=+()/%;:@'\"~^$*#{}?!-]+")
_SUPERSCRIPT = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")


def visible(text: str) -> str:
    """``text`` in one line: what does not print (controls, line ends, bidi marks) as its Python escape."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def plain(text: str) -> str:
    """``text`` as itself in a paragraph or a table's cell.

    What could mean something to a markdown parser becomes a character reference, which by CommonMark 0.31
    section 2.5 never marks structure; so does what GitHub makes a link or a picture of: a scheme's colon,
    a colon before a name, the first dot after "www".
    """
    return _PLAIN.sub(lambda match: f"&#{ord(match[0])};", visible(text))


@functools.lru_cache(maxsize=4096)
def code(text: str) -> str:
    """``text`` as a code span where that is safe in a table too, else as ``plain``."""
    return f"`{text}`" if _CODE.fullmatch(text) else plain(text)


def fenced(lines: Sequence[str], indent: str) -> str:
    """A code block of ``lines`` under a list item, its fence longer than any run of backticks inside."""
    shown = [visible(line) for line in lines]
    longest = max((len(run) for line in shown for run in re.findall("`+", line)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join(indent + line for line in (f"{fence}sh", *shown, fence))


def table(titles: Sequence[str], rows: Sequence[Sequence[str]], numeric: Sequence[bool]) -> str:
    """A GitHub table. Cells are not padded: a longer one would rewrite every line of the file."""
    rule = "|" + "|".join("---:" if right else "---" for right in numeric) + "|"
    lines = [f"| {' | '.join(cells)} |" for cells in (titles, *rows)]
    return "\n".join([lines[0], rule, *lines[1:]])


def superscript(number: int) -> str:
    """The mark of a footnote."""
    return str(number).translate(_SUPERSCRIPT)


def fixed(value: float, digits: int) -> str:
    """``digits`` decimals and thousands apart; the magnitude alone where that would be a wall of digits."""
    return f"{value:z,.{digits}f}" if abs(value) < 1e9 else f"{value:.3g}"
