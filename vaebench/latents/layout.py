"""The blocks of a top-down path, from the very deep VAE's layer strings."""

from dataclasses import dataclass
from itertools import pairwise

from vaebench.blocks.layers import pieces
from vaebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Block:
    """One block: the longer side of its map, and that of a coarser state that is added first."""

    side: int
    mix: int | None = None


def parse(text: str) -> tuple[Block, ...]:
    """Parse a layer string.

    ``1x2,4m1,4x3`` means two blocks of side 1, one of side 4 that mixes in the state of side 1, and three of
    side 4.

    :raises UsageError: for an invalid piece, or one that mixes in a state that no earlier block has computed
    """
    blocks: list[Block] = []
    for piece in pieces(text, "m", "COARSER, as in 1x2,4m1,4x3"):
        if piece.letter == "x":
            blocks += [Block(piece.side)] * piece.number
        elif piece.number >= piece.side or all(b.side != piece.number for b in blocks):
            raise UsageError(
                f"blocks: {piece.text} mixes in side {piece.number}, which no earlier, coarser block has"
            )
        else:
            blocks.append(Block(piece.side, piece.number))
    return tuple(blocks)


def default(sides: tuple[int, ...], blocks: int) -> str:
    """Make a layer string with ``blocks`` at each side; each first block mixes in the side before."""
    coarse_to_fine = sides[::-1]
    pieces = [f"{coarse_to_fine[0]}x{blocks}"]
    for coarser, side in pairwise(coarse_to_fine):
        pieces.append(f"{side}m{coarser}")
        if blocks > 1:
            pieces.append(f"{side}x{blocks - 1}")
    return ",".join(pieces)
