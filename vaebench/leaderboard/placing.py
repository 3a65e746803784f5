"""Places for the text of a chart such that labels do not overlap."""

from collections.abc import Sequence
from typing import NamedTuple

FAR = (9.0, 15.0, 22.0, 30.0, 40.0, 52.0)
"""Distances from a point at which its number is tried, the nearest first."""
_AROUND = ((1, 0), (-1, 0), (0.7, -1), (-0.7, -1), (0.7, 1), (-0.7, 1), (0, -1), (0, 1))


class Box(NamedTuple):
    """A rectangle of the picture."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def middle(self) -> tuple[float, float]:
        """The centre of the rectangle."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def meets(self, other: "Box") -> bool:
        """Whether the two rectangles overlap."""
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def within(self, other: "Box") -> bool:
        """Whether this rectangle lies inside the other."""
        return (
            other.left <= self.left
            and self.right <= other.right
            and other.top <= self.top
            and self.bottom <= other.bottom
        )


class Segment(NamedTuple):
    """A straight line of the picture."""

    x0: float
    y0: float
    x1: float
    y1: float

    @property
    def bounds(self) -> Box:
        """The smallest rectangle around the line and its width."""
        x0, y0, x1, y1 = self
        return Box(min(x0, x1) - 1, min(y0, y1) - 1, max(x0, x1) + 1, max(y0, y1) + 1)

    def crosses(self, box: Box) -> bool:
        """Whether the line and a rectangle overlap: neither an axis nor the line itself separates them."""
        x0, y0, x1, y1 = self
        if not self.bounds.meets(box):
            return False
        sides = [
            (x - x0) * (y1 - y0) - (y - y0) * (x1 - x0)
            for x in (box.left, box.right)
            for y in (box.top, box.bottom)
        ]
        return min(sides) <= 0 <= max(sides)


def beside(
    points: Sequence[tuple[float, float]],
    halves: Sequence[tuple[float, float]],
    lines: Sequence[Segment],
    taken: Sequence[Box],
    frame: Box,
) -> list[Box]:
    """Place a rectangle of given half width and height near each point, clear of all else if possible."""
    taken = [*taken]
    bounded = [(line.bounds, line) for line in lines]
    boxes = []
    for (x, y), (wide, high) in zip(points, halves, strict=True):
        reach = Box(x - FAR[-1] - 2 * wide, y - FAR[-1] - high, x + FAR[-1] + 2 * wide, y + FAR[-1] + high)
        near = [line for bounds, line in bounded if bounds.meets(reach)]
        box = _free(x, y, wide, high, near, [other for other in taken if other.meets(reach)], frame)
        taken.append(box)
        boxes.append(box)
    return boxes


def _free(
    x: float,
    y: float,
    wide: float,
    high: float,
    lines: Sequence[Segment],
    taken: Sequence[Box],
    frame: Box,
) -> Box:
    """The nearest rectangle clear of ``taken`` and lines; else clear of ``taken``; else at the point."""
    unmarked = None
    for far in FAR:
        for dx, dy in _AROUND:
            at_x, at_y = x + dx * (far + wide - 4), y + dy * far
            box = Box(at_x - wide, at_y - high, at_x + wide, at_y + high)
            if not box.within(frame) or any(map(box.meets, taken)):
                continue
            if not any(line.crosses(box) for line in lines):
                return box
            unmarked = unmarked or box
    return unmarked or Box(x - wide, y - high, x + wide, y + high)


def apart(targets: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """The least-squares nearest places to ``targets`` that keep their order and are ``gap`` apart.

    Isotonic regression by pooling adjacent violators; places outside [low, high] are shifted into it.
    """
    order = sorted(range(len(targets)), key=lambda place: (targets[place], place))
    pools: list[tuple[float, int]] = []
    for rank, place in enumerate(order):
        total, count = targets[place] - gap * rank, 1
        while pools and pools[-1][0] * count > total * pools[-1][1]:
            before, members = pools.pop()
            total, count = total + before, count + members
        pools.append((total, count))
    means = [total / count for total, count in pools for _ in range(count)]
    last = high - gap * (len(targets) - 1)
    places = [0.0] * len(targets)
    for rank, (place, mean) in enumerate(zip(order, means, strict=True)):
        places[place] = max(min(mean, last), low) + gap * rank
    return places
