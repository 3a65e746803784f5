"""Parsing of the very deep VAE's layer strings, which encoders and latent layers interpret differently."""

import re
from dataclasses import dataclass

from vaebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Piece:
    """A parsed piece such as ``8x2``, ``8m4`` or ``8d2``; a side alone means one block, ``8x1``."""

    text: str
    side: int
    letter: str
    number: int


def pieces(text: str, letter: str, meaning: str) -> list[Piece]:
    """Parse a layer string whose pieces are SIDExCOUNT or SIDE<letter>NUMBER.

    :param meaning: describes the letter's number in messages
    :raises UsageError: for a piece that is neither
    """
    parsed = []
    for piece in text.replace(" ", "").split(","):
        match = re.fullmatch(rf"([1-9]\d{{0,4}})(?:([x{letter}])([1-9]\d{{0,4}}))?", piece)
        if match is None:
            raise UsageError(f"blocks: {piece!r} is neither SIDExCOUNT nor SIDE{letter}{meaning}")
        parsed.append(Piece(piece, int(match[1]), match[2] or "x", int(match[3] or 1)))
    return parsed


def widths(text: str) -> dict[int, int]:
    """Parse ``8:12,4:16`` into channels by map side.

    :raises UsageError: where a piece is not SIDE:CHANNELS, or repeats a side
    """
    channels: dict[int, int] = {}
    for piece in filter(None, text.replace(" ", "").split(",")):
        match = re.fullmatch(r"([1-9]\d{0,4}):([1-9]\d{0,4})", piece)
        if match is None:
            raise UsageError(f"widths: {piece!r} is not SIDE:CHANNELS, as in 8:128,4:256")
        if int(match[1]) in channels:
            raise UsageError(f"widths: side {match[1]} is given twice")
        channels[int(match[1])] = int(match[2])
    return channels
