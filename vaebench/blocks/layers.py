"""The very deep VAE's layer strings, in the pieces that encoders and latent layers read differently."""

import re
from dataclasses import dataclass

from vaebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Piece:
    """``8x2`` or ``8m4`` or ``8d2`` taken apart; a side alone is one block, ``8x1``."""

    said: str
    side: int
    letter: str
    number: int


def pieces(said: str, letter: str, meaning: str) -> list[Piece]:
    """The pieces of a layer string whose blocks are SIDExCOUNT or SIDE<letter>NUMBER.

    :param meaning: of the letter's number, for messages
    :raises UsageError: for a piece that is neither
    """
    found = []
    for piece in said.replace(" ", "").split(","):
        match = re.fullmatch(rf"([1-9]\d{{0,4}})(?:([x{letter}])([1-9]\d{{0,4}}))?", piece)
        if match is None:
            raise UsageError(f"blocks: {piece!r} is neither SIDExCOUNT nor SIDE{letter}{meaning}")
        found.append(Piece(piece, int(match[1]), match[2] or "x", int(match[3] or 1)))
    return found


def widths(said: str) -> dict[int, int]:
    """``8:12,4:16`` -> channels by map side.

    :raises UsageError: where a piece is not SIDE:CHANNELS, or names a side again
    """
    found: dict[int, int] = {}
    for piece in filter(None, said.replace(" ", "").split(",")):
        match = re.fullmatch(r"([1-9]\d{0,4}):([1-9]\d{0,4})", piece)
        if match is None:
            raise UsageError(f"widths: {piece!r} is not SIDE:CHANNELS, as in 8:128,4:256")
        if int(match[1]) in found:
            raise UsageError(f"widths: side {match[1]} is given twice")
        found[int(match[1])] = int(match[2])
    return found
