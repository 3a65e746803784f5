"""Colours, dashes and marks that distinguish the rows of a chart."""

from collections.abc import Sequence

COLOURS = ("0072b2", "d55e00", "009e73", "b0569a", "c08a00", "2e9fd6", "1f2328")
"""After Okabe & Ito 2008, distinguishable for the colour-blind; darkened where too faint on white."""
DARK = ("4aa8e8", "ff8a4c", "2ec79b", "e08cc8", "e6b422", "8ed1f7", "e6edf3")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
STYLES = len(COLOURS) * len(DASHES)
"""How many series can be distinguished: colours times dashes, or times shapes of marks."""


def _css(ink: str, paper: str, rule: str, soft: str, colours: Sequence[str]) -> str:
    own = "".join(f".c{number}{{color:#{colour}}}" for number, colour in enumerate(colours))
    return (
        f"text{{fill:#{ink}}}.paper{{fill:#{paper}}}.rule{{stroke:#{rule}}}.soft{{color:#{soft};fill:#{soft}}}"
        f".mark{{stroke:#{paper}}}{own}"
    )


STYLE = (
    "<style>text{font:11px sans-serif}.title{font-size:13px;font-weight:bold}"
    + _css("1f2328", "ffffff", "e4e8ec", "6e7781", COLOURS)
    + f"@media(prefers-color-scheme:dark){{{_css('e6edf3', '0d1117', '262c34', '8b949e', DARK)}}}</style>"
)


_SHAPES = ("", "m-3.6-3.6h7.2v7.2h-7.2z", "m0-5l4.8 8.4h-9.6z", "m0-5.2l4.6 5.2l-4.6 5.2l-4.6-5.2z")


def colour(number: int) -> str:
    """The CSS class of series ``number`` (from 1), which sets the ``currentColor`` of its elements."""
    return f"c{(number - 1) % len(COLOURS)}"


def dashed(number: int) -> str:
    """The SVG attribute that dashes the lines of series ``number``; empty for solid lines."""
    dashes = DASHES[_round(number)]
    return f' stroke-dasharray="{dashes}"' if dashes else ""


def mark(number: int, x: float, y: float) -> str:
    """The mark of series ``number``: a dot, square, triangle or diamond."""
    shape = _SHAPES[_round(number)]
    if not shape:
        return f'<circle class="mark" fill="currentColor" cx="{x:.1f}" cy="{y:.1f}" r="4.2"/>'
    return f'<path class="mark" fill="currentColor" d="M{x:.1f} {y:.1f}{shape}"/>'


def _round(number: int) -> int:
    """How many times all colours are used before series ``number``."""
    return (number - 1) // len(COLOURS) % len(DASHES)
