"""Output to a terminal or pipe whose encoding lacks some of the characters that vaebench prints."""

import codecs
import io
import sys
import unicodedata

_SPELT = {
    "×": "x",
    "·": "*",
    "−": "-",
    "±": "+/-",
    "→": "->",
    "←": "<-",
    "≤": "<=",
    "≥": ">=",
    "≠": "!=",
    "≈": "~",
    "∞": "inf",
    "√": "sqrt",
    "∑": "sum",
    "∏": "prod",
    "∫": "int",
    "∇": "grad",
    "∂": "d",
    "∈": "in",
    "ᵀ": "'",
    "′": "'",
    "⌊": "floor(",
    "⌋": ")",
    "⌈": "ceil(",
    "⌉": ")",
    "‖": "||",
    "…": "...",
    "•": "*",
    "§": "section ",
    "✓": "ok",
    "✗": "no",
}
_ASCII = "vaebench_ascii"


def spelt(char: str) -> str:
    """Spell a character in ASCII: ``×`` as x, ``σ`` as sigma, ``é`` as e; ``?`` where there is no spelling.

    >>> "".join(map(spelt, "2×σ² ± ½ – é"))
    '2xsigma2 +/- 1/2 - e'
    """
    if char.isascii():
        return char
    if char in _SPELT:
        return _SPELT[char]
    words = unicodedata.name(char, "").split()
    if words[:1] == ["GREEK"] and "LETTER" in words:
        name = words[words.index("LETTER") + 1].lower()
        return name.capitalize() if "CAPITAL" in words else name
    if unicodedata.category(char) == "Pd" or words[:2] == ["BOX", "DRAWINGS"]:
        return "-"
    if "QUOTATION" in words:
        return "'" if "SINGLE" in words else '"'
    if unicodedata.combining(char):  # an accent of the letter before
        return ""
    parts = unicodedata.normalize("NFKD", char).replace("\N{FRACTION SLASH}", "/")
    kept = "".join(part if part.isascii() else _SPELT.get(part, "") for part in parts)
    return kept or "?"


def _replaced(error: UnicodeError) -> tuple[str | bytes, int]:
    """Handle an encoding error (see ``codecs``); an undecodable byte of a file name is written as it is."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if "\udc80" <= char <= "\udcff":
        return bytes([ord(char) - 0xDC00]), error.start + 1
    return spelt(char), error.start + 1


def _ascii(name: str) -> codecs.CodecInfo | None:
    """Provide ASCII under a name of our own, because click treats a stream named ASCII as UTF-8."""
    if name != _ASCII:
        return None
    plain = codecs.lookup("ascii")
    return codecs.CodecInfo(
        plain.encode, plain.decode, plain.streamreader, plain.streamwriter,
        plain.incrementalencoder, plain.incrementaldecoder, _ASCII,
    )  # fmt: skip


codecs.register_error("vaebench_spelt", _replaced)
codecs.register(_ascii)


def spell_what_cannot_be_encoded() -> None:
    """Make standard output and standard error spell the characters that their encoding lacks."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            is_ascii = codecs.lookup(stream.encoding).name == "ascii"
            stream.reconfigure(encoding=_ASCII if is_ascii else None, errors="vaebench_spelt")
