"""What each chart of a board shows for the runs, computed from their records by hand."""

from itertools import pairwise
from pathlib import Path

from tests.recomputation.drawing import Drawing, bars, line_of, near, number
from tests.recomputation.rows import Row, noise, page_of
from tests.recomputation.runs import Made


def test_the_chart_of_cost(board: Path, rows: list[Row]) -> None:
    chart = Drawing(board, page_of(board, rows[0]), "cost", log_x=True)
    groups = chart.series("circle")
    assert set(groups) == {1, 2, 3}
    for place, row in enumerate(rows, 1):
        (dot,) = [e for e in groups[place] if e.tag == "circle"]
        assert near(float(dot.attrib["cx"]), chart.x(row.seconds))
        assert near(float(dot.attrib["cy"]), chart.y(row.nll()))
        ((x, low, high),) = bars(groups[place])
        error = noise(row, rows)
        assert near(x, chart.x(row.seconds))
        assert near(low, chart.y(row.nll() - error))
        assert near(high, chart.y(row.nll() + error))
    front = [p for p, r in enumerate(rows, 1) if all(r.seconds < o.seconds for o in rows[: p - 1])]
    assert chart.caption.endswith(f"cheapest first: {', '.join(map(str, reversed(front)))}.")


def test_the_chart_of_rate_and_distortion(board: Path, rows: list[Row]) -> None:
    chart = Drawing(board, page_of(board, rows[0]), "rate-distortion", log_x=False)
    groups = chart.series("circle")
    for place, row in enumerate(rows, 1):
        (dot,) = [e for e in groups[place] if e.tag == "circle"]
        assert near(float(dot.attrib["cx"]), chart.x(row.mean("scores", "likelihood", "rate", "nats")))
        assert near(float(dot.attrib["cy"]), chart.y(row.mean("scores", "likelihood", "distortion", "nats")))
    parts = list(chart.root)
    labelled = [(a, b) for a, b in pairwise(parts) if a.tag == "polyline" and b.tag == "text"]
    assert labelled
    for guide, label in labelled:
        total = number(label.text or "")
        for end in guide.attrib["points"].split():
            x, y = map(float, end.split(","))
            assert near(y, chart.y(total - chart.across(x)), 1.0)


def test_the_chart_of_training(board: Path, made: Made, rows: list[Row]) -> None:
    for some in (rows, [Row([made["binary"].record])], [Row([made["colour"].record])]):
        chart = Drawing(board, page_of(board, some[0]), "training", log_x=False)
        groups = chart.series("polyline")
        top = min(at for at, _ in chart.y_ticks)
        assert set(groups) == set(range(1, len(some) + 1))
        for place, row in enumerate(some, 1):
            curve = [(chart.x(v["images"]), chart.y(v["nats"])) for v in row.records[0]["validations"]]
            last_above = max((n for n, (_, y) in enumerate(curve) if y < top - 0.2), default=-1)
            due, drawn = curve[last_above + 1 :], line_of(groups[place])
            assert due
            assert len(drawn) == len(due) + (last_above >= 0)
            for (x, y), (own_x, own_y) in zip(reversed(drawn), reversed(due), strict=False):
                assert near(x, own_x)
                assert near(y, own_y)


def test_the_chart_of_the_bound(board: Path, made: Made, rows: list[Row]) -> None:
    for some in (rows, [Row([made["binary"].record])], [Row([made["colour"].record])]):
        chart = Drawing(board, page_of(board, some[0]), "bound", log_x=True)
        groups = chart.series("polyline")
        followed = {p: r.records[0]["scores"]["likelihood"].get("tightness") for p, r in enumerate(some, 1)}
        assert set(groups) == {place for place, taken in followed.items() if taken}
        for place, group in groups.items():
            taken, line = followed[place], line_of(group)
            assert taken["samples"] == [1, 3, 7]
            shift = line[0][0] - chart.x(1)
            assert abs(shift) <= 15
            for (x, y), k, nll, bar in zip(line, taken["samples"], taken["nll"], bars(group), strict=True):
                bits, error = nll["bits_per_dim"], nll["bits_per_dim_se"]
                assert near(x, chart.x(k) + shift)
                assert near(y, chart.y(bits))
                assert near(bar[1], chart.y(bits - error))
                assert near(bar[2], chart.y(bits + error))
        assert f"on {next(t['images'] for t in followed.values() if t)} test images" in chart.caption
