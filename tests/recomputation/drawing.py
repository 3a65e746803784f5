"""A chart read back from its SVG."""

import math
import re
from pathlib import Path
from xml.etree import ElementTree


def number(text: str) -> float:
    scale = {"M": 1e6, "B": 1e9}.get(text[-1], 1.0)
    return float(text.rstrip("MB").replace(",", "").replace("−", "-")) * scale


class Drawing:
    """A chart read back: pixels to numbers by the labels of its ticks."""

    def __init__(self, board: Path, page: str, kind: str, log_x: bool) -> None:
        match = re.search(rf"\((pictures/[^)]*-{kind}\.svg)\)\n\n(.*)", page)
        assert match is not None, kind
        self.caption = match[2]
        self.log_x = log_x
        self.root = ElementTree.fromstring((board / match[1]).read_text())
        for element in self.root.iter():
            element.tag = element.tag.rpartition("}")[2]
        axis = next(
            e.attrib["d"] for e in self.root.iter("path") if re.fullmatch(r"M\d+ \d+V\d+H\d+", e.get("d", ""))
        )
        floor = int(axis.split("V")[1].split("H")[0])
        groups = {e.get("text-anchor"): e for e in self.root.iter("g") if e.get("text-anchor")}
        across = [e for e in groups["middle"] if e.get("y") == f"{floor + 16}"]
        self.x_ticks = [(float(e.attrib["x"]), number(e.text or "")) for e in across]
        self.y_ticks = [(float(e.attrib["y"]) - 4, number(e.text or "")) for e in groups["end"]]

    def x(self, value: float) -> float:
        (a, low), (b, high) = self.x_ticks[0], self.x_ticks[-1]
        if self.log_x:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return a + (value - low) / (high - low) * (b - a)

    def across(self, at: float) -> float:
        """The number at a place of the x axis where that is linear."""
        (a, low), (b, high) = self.x_ticks[0], self.x_ticks[-1]
        return low + (at - a) / (b - a) * (high - low)

    def y(self, value: float) -> float:
        (a, low), (b, high) = self.y_ticks[0], self.y_ticks[-1]
        return a + (value - low) / (high - low) * (b - a)

    def series(self, mark: str) -> dict[int, ElementTree.Element]:
        """Number of a row -> the group that draws it, known by its mark or line."""
        found = {}
        for group in self.root.iter("g"):
            inner = [e for e in group if e.tag == mark and (mark == "polyline" or e.get("class") == "mark")]
            if group.get("stroke") and inner:
                found[int(group.attrib["class"][1:]) + 1] = group
        return found


def near(one: float, other: float, pixels: float = 0.16) -> bool:
    return abs(one - other) <= pixels


def bars(group: ElementTree.Element) -> list[list[float]]:
    """x, and both ends of each error bar."""
    path = next((e.attrib["d"] for e in group if e.tag == "path"), "")
    return [[float(part) for part in bar] for bar in re.findall(r"M([\d.]+) ([\d.]+)V([\d.]+)", path)]


def line_of(group: ElementTree.Element) -> list[tuple[float, float]]:
    points = next(e.attrib["points"] for e in group if e.tag == "polyline").split()
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points)]
