"""A chart: whole XML that is nothing but a picture, inside its canvas, where its numbers say."""

import math
import re
from itertools import pairwise
from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard.markdown import visible
from vaebench.leaderboard.palette import STYLES
from vaebench.leaderboard.placing import Box, Segment, apart, beside
from vaebench.leaderboard.scales import linear, logarithmic
from vaebench.leaderboard.svg import LABEL, WIDTH, Axis, Guide, Plot, Point, Series, draw

from .strategies import hostile, laws
from .test_scales import finite, positive

ELEMENTS = {"svg", "title", "style", "rect", "g", "path", "polyline", "circle", "text"}
ATTRIBUTES = {
    *("width", "height", "viewBox", "role", "class", "style", "x", "y", "rx", "cx", "cy", "r", "d", "points"),
    *("fill", "stroke", "stroke-width", "stroke-opacity", "stroke-dasharray", "text-anchor", "transform"),
}
NUMBER = r"-?\d+(?:\.\d)?"


def plot_of(points: list[list[Point]], texts: list[str], log_x: bool, lines: bool, dodge: bool) -> Plot:
    series = [Series(n, texts[n % len(texts)], each) for n, each in enumerate(points, 1)]
    whole = [point for each in points for point in each]
    across = (logarithmic if log_x else linear)([point.x for point in whole])
    up = linear([end for point in whole for end in (point.y - point.error, point.y + point.error)])
    guides = [Guide([(point.x, point.y) for point in points[0]], texts[0])]
    return Plot(texts[0], Axis(texts[-1], across), Axis(texts[0], up), series, guides, lines, dodge)


def any_points(x: st.SearchStrategy[float]) -> st.SearchStrategy[list[list[Point]]]:
    point = st.builds(Point, x, finite, finite.map(abs))
    return st.lists(st.lists(point, min_size=1, max_size=4), min_size=1, max_size=5)


plots = st.booleans().flatmap(
    lambda log: st.builds(
        plot_of,
        any_points(positive if log else finite),
        st.lists(hostile, min_size=1, max_size=3),
        st.just(log),
        st.booleans(),
        st.booleans(),
    )
)


def read(svg: bytes) -> ElementTree.Element:
    root = ElementTree.fromstring(svg)
    for element in root.iter():
        element.tag = element.tag.removeprefix("{http://www.w3.org/2000/svg}")
    return root


def places(element: ElementTree.Element) -> list[tuple[float, float]]:
    """The absolute coordinates that an element names."""
    given = element.attrib
    if "points" in given:
        return [(float(x), float(y)) for x, y in re.findall(f"({NUMBER}),({NUMBER})", given["points"])]
    if "d" in given:
        found = []
        for command, numbers in re.findall(f"([MLHV])((?:{NUMBER} ?)+)", given["d"]):
            values = [float(number) for number in numbers.split()]
            before = found[-1] if found else (math.nan, math.nan)
            at = {"H": (values[0], before[1]), "V": (before[0], values[0])}
            found.append(at.get(command) or (values[0], values[1]))
        return found
    if "cx" in given:
        return [(float(given["cx"]), float(given["cy"]))]
    return [(float(given["x"]), float(given["y"]))] if "x" in given else []


@laws
@given(plots)
def test_a_chart_is_whole_and_nothing_but_a_picture(plot: Plot) -> None:
    svg = draw(plot)
    root = read(svg)
    assert {element.tag for element in root.iter()} <= ELEMENTS
    assert {name for element in root.iter() for name in element.attrib} <= ATTRIBUTES
    (style,) = root.iter("style")
    assert not re.search(r"url|import|@(?!media)|<|\\", style.text or "")
    assert not re.search(
        rb"(?i)<script|href|javascript|<!|<\?|\bon\w+ *=[^&]*\"", re.sub(rb">[^<]*<", b"><", svg)
    )
    assert (svg.count(b"://"), svg.count(b'"http://www.w3.org/2000/svg"')) == (
        1 + sum((element.text or "").count("://") for element in root.iter()),
        1,
    )


@laws
@given(plots)
def test_texts_are_read_as_they_were_given(plot: Plot) -> None:
    shown = [element.text or "" for element in read(draw(plot)).iter("text")]
    assert {visible(text) for text in (plot.title, plot.x.title, plot.y.title)} <= set(shown)
    for series in plot.series:
        name = visible(series.label)
        cut = [text for text in shown if text == name or (text.endswith("…") and name.startswith(text[:-1]))]
        assert any(len(text) <= LABEL for text in cut)
        assert f"{series.number}" in shown
    assert all(text.isprintable() for text in shown)


@laws
@given(plots)
def test_all_lies_inside_the_canvas_at_one_decimal(plot: Plot) -> None:
    svg = draw(plot)
    root = read(svg)
    height = float(root.attrib["height"])
    found = [place for element in root.iter() for place in places(element)]
    assert len(found) > sum(len(series.points) for series in plot.series)
    assert all(0 <= x <= WIDTH and 0 <= y <= height for x, y in found)
    drawn = re.sub(rb"<(text|title|style)\b[^>]*>[^<]*", b"", svg)
    assert not re.search(rb"nan|inf|\d\.\d\d|\de[+-]?\d", drawn)


@laws
@given(plots)
def test_the_same_plot_is_the_same_bytes(plot: Plot) -> None:
    assert draw(plot) == draw(plot)


marks = st.lists(
    st.tuples(st.floats(1, 1e4), st.floats(-1e3, 1e3), st.floats(0, 50)), min_size=1, max_size=12
)


def scattered(taken: list[tuple[float, float, float]], log: bool = False) -> Plot:
    return plot_of([[Point(*one)] for one in taken], ["a"], log, False, False)


@laws
@given(marks, st.booleans())
def test_a_larger_number_lies_never_lower_nor_further_left(
    taken: list[tuple[float, float, float]], log: bool
) -> None:
    root = read(draw(scattered(taken, log)))
    # The first series are drawn as dots: the first in the plot, the same again in the legend.
    at = [places(element)[0] for element in root.iter("circle")][: min(len(taken), 7)]
    for axis, sign in ((0, 1), (1, -1)):
        for one, other in pairwise(sorted(range(len(at)), key=lambda number: taken[number][axis])):
            assert sign * (at[other][axis] - at[one][axis]) >= 0


@laws
@given(marks)
def test_an_error_bar_is_as_long_as_its_error_on_the_axis(taken: list[tuple[float, float, float]]) -> None:
    plot = scattered(taken)
    root = read(draw(plot))
    height = float(root.attrib["height"]) - 36 - 46
    low, high = plot.y.scale.ends
    bars = [places(element) for element in root.iter("path") if element.get("stroke-opacity") == "0.5"]
    errors = [error for _, _, error in taken if error]
    assert len(bars) == len(errors)
    for ((x0, y0), (x1, y1)), error in zip(bars, errors, strict=True):
        assert x0 == x1
        assert abs((y0 - y1) - 2 * error * height / (high - low)) <= 0.11


boxes = st.tuples(st.floats(0, 400), st.floats(0, 300))


@laws
@given(st.lists(boxes, min_size=1, max_size=STYLES))
def test_numbers_stand_inside_and_off_each_other_while_there_is_room(
    points: list[tuple[float, float]],
) -> None:
    frame = Box(-100, -100, 500, 400)
    marks = [Box(x - 5, y - 5, x + 5, y + 5) for x, y in points]
    found = beside(points, [(7, 6)] * len(points), [], marks, frame)
    assert all(box.within(frame) for box in found)
    alone = [
        place
        for place, (x, y) in enumerate(points)
        if all(math.hypot(x - u, y - v) > 60 for u, v in points[:place] + points[place + 1 :])
    ]
    for place in alone:
        x, y = points[place]
        assert not found[place].meets(marks[place])
        assert math.hypot(found[place].middle[0] - x, found[place].middle[1] - y) < 18
    few = found[:6]
    assert not any(one.meets(other) for place, one in enumerate(few) for other in few[:place])


@laws
@given(boxes, boxes, boxes, st.floats(0, 1))
def test_a_line_crosses_the_boxes_on_it_and_none_beyond_its_ends(
    start: tuple[float, float], end: tuple[float, float], corner: tuple[float, float], share: float
) -> None:
    line = Segment(*start, *end)
    x, y = (a + share * (b - a) for a, b in zip(start, end, strict=True))
    assert line.crosses(Box(x - 3, y - 3, x + 3, y + 3))
    right = max(start[0], end[0]) + 2
    assert not line.crosses(Box(right, corner[1], right + 10, corner[1] + 10))


@laws
@given(st.lists(st.floats(0, 400), min_size=1, max_size=20))
def test_labels_keep_order_and_distance_and_move_only_where_they_must(wanted: list[float]) -> None:
    found = apart(wanted, 15, 0, 400)
    order = sorted(range(len(wanted)), key=lambda place: (wanted[place], place))
    gaps = [found[after] - found[before] for before, after in pairwise(order)]
    assert all(gap >= 15 - 1e-9 for gap in gaps)
    assert all(-1e-9 <= place <= 400 + 1e-9 for place in found)
    if all(wanted[after] - wanted[before] >= 15 for before, after in pairwise(order)):
        assert all(math.isclose(a, b, abs_tol=1e-9) for a, b in zip(found, wanted, strict=True))
    # Nearest by least squares: moving all together would not do better, unless an end holds them.
    if all(1e-6 < place < 400 - 1e-6 for place in found):
        assert abs(sum(found) - sum(wanted)) < 1e-6
