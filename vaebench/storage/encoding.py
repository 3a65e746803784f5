"""Text files as editors, shells and git may change them: byte-order marks, UTF-16, Windows line ends."""

import codecs
from typing import Final

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # begins as UTF-16's mark does
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def plain_utf8(content: bytes) -> bytes:
    """Return the same text in UTF-8, without a byte-order mark, with line feeds as line ends.

    Bytes without a mark are assumed to be UTF-8; only their line ends are changed.

    :raises UnicodeDecodeError: where the mark of UTF-16 or UTF-32 is followed by invalid bytes
    """
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            content = content[len(mark) :]
            if encoding != "utf-8":
                content = content.decode(encoding).encode("utf-8")
            break
    return content.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
