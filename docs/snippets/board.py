"""The top of a board as a short table for the README; ``python docs/snippets/board.py`` writes it there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
README, BOARD = ROOT / "README.md", ROOT / "leaderboards" / "mnist-binary.md"
PLACE = re.compile(
    r"(?<=<!-- board: python docs/snippets/board.py -->\n\n).*?(?=\n\n<!-- end -->)", re.DOTALL
)
SHOWN = 5
SLOTS = ("enc", "latent", "prior", "dec")
COLUMNS = ("rank", "composition", "nats", "bits/dim", "bound", "parameters")


def top(page: str, count: int = SHOWN) -> str:
    """The first rows of a page's first table, some of its columns, compositions without their parameters."""
    lines = [line for line in page.splitlines() if line.startswith("| ")]
    titles, *rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    kept = [titles.index(name) for name in COLUMNS]
    short = [
        [short_composition(row[i]) if titles[i] == "composition" else row[i] for i in kept]
        for row in rows[:count]
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in [list(COLUMNS), ["---"] * len(COLUMNS), *short])


def short_composition(cell: str) -> str:
    """The parts of a composition, without what they are told."""
    code = re.search("`([^`]*)`", cell)
    pieces = (code[1] if code else cell).split(", ")
    return f"`{', '.join(piece for piece in pieces if piece.partition('=')[0] in SLOTS)}`"


def with_top(readme: str, page: str) -> str:
    """The README with the board's top as it is now."""
    return PLACE.sub(lambda _: top(page), readme)


if __name__ == "__main__":
    README.write_text(
        with_top(README.read_text(encoding="utf-8"), BOARD.read_text(encoding="utf-8")), encoding="utf-8"
    )
