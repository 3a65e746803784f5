"""Charts as SVG, without a plotting library.

A board must have the same bytes on any machine, whatever version of a library is installed, and thousands of
sections must be cheap. A chart has no script, no link, and only the viewer's sans-serif font. It has a
background of its own, light or dark as the viewer prefers, so that it is readable on both.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple
from unicodedata import east_asian_width

from vaebench.leaderboard.markdown import visible
from vaebench.leaderboard.palette import STYLE, colour, dashed, mark
from vaebench.leaderboard.placing import Box, Segment, apart, beside
from vaebench.leaderboard.scales import Scale

WIDTH, LEAST_HEIGHT = 900, 380
LEFT, TOP, BOTTOM = 66, 36, 46
PLOT = 470
"""Width of the plot; the legend is to its right."""
INSET = 14
"""Distance from the plot's sides to the first and last tick, so that marks there are not cut."""
NAMES = 54
"""Distance from the plot to the names of the series, which follow their numbers."""
LINE = 15
"""Distance between lines of text."""
LABEL = 46
"""The most characters of a label; a wide character counts as two."""
MARK = 5.0
"""Half the side of the square that a mark covers."""
LEADER = 18.0
"""A number farther than this from its point is joined to it by a line."""
DODGE = 30.0
"""The width that the marks of all series at one place share."""


class Point(NamedTuple):
    """The place of a mark, and half the length of its error bar, 0 for none."""

    x: float
    y: float
    error: float = 0.0


class Series(NamedTuple):
    """Points with a common number, label and colour."""

    number: int
    label: str
    points: Sequence[Point]


class Guide(NamedTuple):
    """A grey line behind the marks, and the label at its end."""

    points: Sequence[tuple[float, float]]
    label: str = ""


class Axis(NamedTuple):
    """A scale and its title."""

    title: str
    scale: Scale


@dataclass(frozen=True, slots=True)
class Plot:
    """The content of a chart; all numbers are finite, and positive on a logarithmic axis."""

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    guides: Sequence[Guide] = ()
    lines: bool = False
    """Whether points are joined and named at the line's end; else each point is numbered."""
    dodge: bool = False
    """Whether series that share a place on the x axis are drawn side by side."""


def draw(plot: Plot) -> bytes:
    """Draw a plot as SVG; equal plots give equal bytes."""
    height = max(LEAST_HEIGHT, TOP + BOTTOM + LINE * len(plot.series))
    return _Canvas(plot, height).drawn().encode()


class _Canvas:
    """Maps a plot to coordinates of the picture and draws its elements."""

    def __init__(self, plot: Plot, height: int) -> None:
        self.plot = plot
        self.height = height
        self.floor = height - BOTTOM
        self.step = min(4.0, DODGE / len(plot.series)) if plot.dodge else 0.0
        self.inset = INSET + self.step * (len(plot.series) - 1) / 2
        points = [point for series in plot.series for point in series.points]
        at = [(self.x(point.x), self.y(point.y)) for point in points if not plot.lines]
        self.marks = [Box(x - MARK, y - MARK, x + MARK, y + MARK) for x, y in at]

    def x(self, value: float, shift: float = 0.0) -> float:
        return LEFT + self.inset + self.plot.x.scale.at(value) * (PLOT - 2 * self.inset) + shift

    def y(self, value: float) -> float:
        return self.floor - self.plot.y.scale.at(value) * (self.floor - TOP)

    def drawn(self) -> str:
        title = _escaped(self.plot.title)
        parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{self.height}" '
            f'viewBox="0 0 {WIDTH} {self.height}" role="img">',
            f"<title>{title}</title>",
            STYLE,
            f'<rect class="paper" width="{WIDTH}" height="{self.height}" rx="6"/>',
            f'<text class="title" x="{LEFT}" y="21">{title}</text>',
            *self.axes(),
            *(self.guide(guide) for guide in self.plot.guides),
            *(self.series(place, series) for place, series in enumerate(self.plot.series)),
            *(self.ends() if self.plot.lines else [*self.numbers(), *self.legend()]),
            "</svg>",
        ]
        return "\n".join(parts) + "\n"

    def axes(self) -> list[str]:
        x, y, floor = self.plot.x, self.plot.y, self.floor
        right, middle = LEFT + PLOT, (TOP + floor) / 2
        across = [(self.x(tick), label) for tick, label in x.scale.ticks]
        up = [(self.y(tick), label) for tick, label in y.scale.ticks]
        rules = "".join(
            [f"M{at:.1f} {TOP}V{floor}" for at, _ in across] + [f"M{LEFT} {at:.1f}H{right}" for at, _ in up]
        )
        return [
            f'<path class="rule" fill="none" d="{rules}"/>',
            f'<path class="soft" style="fill:none" stroke="currentColor" d="M{LEFT} {TOP}V{floor}H{right}"/>',
            '<g text-anchor="middle">',
            *(f'<text x="{at:.1f}" y="{floor + 16}">{label}</text>' for at, label in across),
            f'<text x="{LEFT + PLOT / 2:.1f}" y="{floor + 36}">{_escaped(x.title)}</text>',
            f'<text transform="translate(15 {middle:.1f}) rotate(-90)">{_escaped(y.title)}</text>',
            "</g>",
            '<g text-anchor="end">',
            *(f'<text x="{LEFT - 6}" y="{at + 4:.1f}">{label}</text>' for at, label in up),
            "</g>",
        ]

    def guide(self, guide: Guide) -> str:
        ends = [(self.x(x), self.y(y)) for x, y in guide.points]
        line = " ".join(f"{x:.1f},{y:.1f}" for x, y in ends)
        drawn = (
            '<polyline class="soft" style="fill:none" stroke="currentColor" stroke-opacity="0.7" '
            f'stroke-dasharray="3 3" points="{line}"/>'
        )
        if guide.label:
            x, y = self.label_at(guide)
            drawn += f'<text class="soft" x="{x:.1f}" y="{y:.1f}">{_escaped(guide.label)}</text>'
        return drawn

    def label_at(self, guide: Guide) -> tuple[float, float]:
        """The place of the label: at the line's end, or at its start if a mark covers the end."""
        spots = [(self.x(x) + 4, self.y(y) - 3) for x, y in (guide.points[-1], guide.points[0])]
        free = (
            spot for spot in spots if not any(_text_box(*spot, guide.label).meets(box) for box in self.marks)
        )
        return next(free, spots[0])

    def shift(self, place: int) -> float:
        return self.step * (place - (len(self.plot.series) - 1) / 2)

    def series(self, place: int, series: Series) -> str:
        """Error bars, line and marks of a series."""
        shift = self.shift(place)
        at = [(self.x(point.x, shift), self.y(point.y), point) for point in series.points]
        parts = [f'<g class="{colour(series.number)}" stroke="currentColor" fill="none">']
        bars = "".join(
            f"M{x:.1f} {self.y(point.y - point.error):.1f}V{self.y(point.y + point.error):.1f}"
            for x, _, point in at
            if point.error
        )
        if bars:
            parts.append(f'<path stroke-opacity="0.5" d="{bars}"/>')
        if self.plot.lines:
            line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in at)
            parts.append(f'<polyline stroke-width="1.7"{dashed(series.number)} points="{line}"/>')
        else:
            parts += [mark(series.number, x, y) for x, y, _ in at]
        return "".join(parts) + "</g>"

    def ends(self) -> list[str]:
        """The names of the series, right of the plot, as near to the ends of their lines as they fit."""
        edge = LEFT + PLOT
        lasts = [series.points[-1] for series in self.plot.series]
        targets = [self.y(point.y) for point in lasts]
        parts = []
        for place, at in enumerate(apart(targets, LINE, TOP, self.floor)):
            series, was = self.plot.series[place], targets[place]
            x = self.x(lasts[place].x, self.shift(place))
            parts.append(
                f'<g class="{colour(series.number)}" stroke="currentColor" fill="none">'
                f'<circle fill="currentColor" cx="{x:.1f}" cy="{was:.1f}" r="2.2"/>'
                f'<path stroke-width="0.8" stroke-dasharray="1 3" '
                f'd="M{x:.1f} {was:.1f}H{edge}L{edge + 14} {at:.1f}"/>'
                f'<path stroke-width="1.7"{dashed(series.number)} d="M{edge + 14} {at:.1f}h20"/></g>'
                f"{_named(series, edge + NAMES, at)}"
            )
        return parts

    def legend(self) -> list[str]:
        """The marks, numbers and names of the series, right of the plot."""
        parts = []
        for place, series in enumerate(self.plot.series):
            y = TOP + LINE * (place + 0.5)
            shape = mark(series.number, LEFT + PLOT + 24, y)
            named = _named(series, LEFT + PLOT + NAMES, y)
            parts.append(f'<g class="{colour(series.number)}">{shape}</g>{named}')
        return parts

    def numbers(self) -> list[str]:
        """The numbers of the series near their points, clear of marks, bars, guides and each other."""
        numbered = [(series.number, point) for series in self.plot.series for point in series.points]
        at = [(self.x(point.x), self.y(point.y)) for _, point in numbered]
        bars = [
            Segment(x, self.y(point.y - point.error), x, self.y(point.y + point.error))
            for (x, _), (_, point) in zip(at, numbered, strict=True)
        ]
        guides = [
            Segment(self.x(x0), self.y(y0), self.x(x1), self.y(y1))
            for guide in self.plot.guides
            for (x0, y0), (x1, y1) in pairwise(guide.points)
        ]
        halves = [(3.5 * len(f"{number}"), 6.0) for number, _ in numbered]
        frame = Box(LEFT, TOP, LEFT + PLOT, self.floor)
        parts = []
        labels = [_text_box(*self.label_at(guide), guide.label) for guide in self.plot.guides if guide.label]
        boxes = beside(at, halves, bars + guides, labels + self.marks, frame)
        for (number, _), (x, y), box in zip(numbered, at, boxes, strict=True):
            to_x, to_y = box.middle
            if math.hypot(to_x - x, to_y - y) > LEADER:
                parts.append(
                    f'<path class="soft" stroke="currentColor" stroke-width="0.6" '
                    f'd="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}"/>'
                )
            parts.append(f'<text x="{to_x:.1f}" y="{to_y + 4:.1f}" text-anchor="middle">{number}</text>')
        return parts


def _text_box(x: float, y: float, text: str) -> Box:
    """The rectangle around a short text that starts at (x, y)."""
    return Box(x, y - 9, x + 7 * len(text), y + 2)


def _named(series: Series, x: float, y: float) -> str:
    """A series' number, right-aligned, and its name."""
    return (
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="end">{series.number}</text>'
        f'<text x="{x + 6:.1f}" y="{y + 4:.1f}">{_escaped(_cut(series.label))}</text>'
    )


def _escaped(text: str) -> str:
    """``text`` in one line, escaped for an XML element."""
    return visible(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    """``text`` in one line, cut to the width of ``LABEL`` narrow characters."""
    left = LABEL
    shown = visible(text)
    for place, char in enumerate(shown):
        left -= 2 if east_asian_width(char) in "WF" else 1
        if left < 0:
            return shown[: place - 1] + "…"
    return shown
