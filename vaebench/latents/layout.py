"""Which blocks a top-down path has: the very deep VAE's layer strings."""

import re
from dataclasses import dataclass
from itertools import pairwise

from vaebench.errors import UsageError


@dataclass(frozen=True, slots=True)
class Block:
    """One block: the height of its map, and the height of the coarser state that it mixes in first."""

    height: int
    mix: int | None = None


def parse(text: str) -> tuple[Block, ...]:
    """``1x2,4m1,4x3`` -> two blocks of height 1, one of height 4 that mixes in height 1, three of height 4.

    Raises UsageError where a piece is neither, or mixes in a state that no earlier block has made.
    """
    blocks: list[Block] = []
    for piece in text.replace(" ", "").split(","):
        match = re.fullmatch(r"([1-9]\d{0,4})([xm])([1-9]\d{0,4})", piece)
        if match is None:
            raise UsageError(
                f"blocks: {piece!r} is neither HEIGHTxCOUNT nor HEIGHTmCOARSER, as in 1x2,4m1,4x3"
            )
        height, number = int(match[1]), int(match[3])
        if match[2] == "x":
            blocks += [Block(height)] * number
        elif number >= height or all(b.height != number for b in blocks):
            raise UsageError(
                f"blocks: {piece} mixes in height {number}, which is not a coarser one before it"
            )
        else:
            blocks.append(Block(height, number))
    return tuple(blocks)


def default(heights: tuple[int, ...], blocks: int) -> str:
    """``blocks`` at each height, coarse to fine, the first at each mixing in the height before."""
    coarse_to_fine = heights[::-1]
    pieces = [f"{coarse_to_fine[0]}x{blocks}"]
    for coarser, height in pairwise(coarse_to_fine):
        pieces.append(f"{height}m{coarser}")
        if blocks > 1:
            pieces.append(f"{height}x{blocks - 1}")
    return ",".join(pieces)
