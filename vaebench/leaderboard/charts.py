"""The charts of a section: bits/dim against cost, rate against distortion, training, the bound against K."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

from vaebench.leaderboard.comparable import Protocol, Section
from vaebench.leaderboard.gallery import FOLDER
from vaebench.leaderboard.identity import ScoredRun, page_name
from vaebench.leaderboard.names import short_names
from vaebench.leaderboard.palette import STYLES
from vaebench.leaderboard.ranking import Ranked, noise, typical_sd
from vaebench.leaderboard.scales import Scale, linear, logarithmic, short
from vaebench.leaderboard.svg import Axis, Guide, Plot, Point, Series, draw
from vaebench.leaderboard.wording import MARK
from vaebench.records import Tightness
from vaebench.storage.later import canonical

OWN = re.compile("[a-z0-9-]+-[0-9a-f]{16}-(cost|rate-distortion|training|bound)[.]svg")
"""File names of charts that this program wrote, which it may therefore replace or remove."""
SHOWN = STYLES
"""How many rows of a section are drawn, the best ones: more could not be distinguished."""
POINTS = 200
"""The largest number of points on a line."""
LEVELS = 5
"""The largest number of steps between lines of constant −ELBO."""
FAR = 0.1
"""The share of the rows, the worst ones, that a chart may leave out if that halves its range."""
EARLY = 5
"""Within the first 1/``EARLY`` of the images a curve may lie above the plotted range."""


class Chart(NamedTuple):
    """A chart of a section."""

    file: str
    """Relative to the page."""
    svg: bytes
    title: str
    caption: str
    """Text that holds nothing from a record but numbers, safe as markdown."""


class Shown(NamedTuple):
    """The rows that are drawn."""

    page: str
    rows: list[tuple[int, str, Ranked]]
    """The number in the table, a short name, the row; the best first."""
    rest: str
    """A sentence for the caption about the rows that are not drawn."""


def charts(section: Section, entries: Sequence[Ranked]) -> list[Chart]:
    """The charts of a section that have something to show: at least two points, or a line."""
    if len(entries) == 1 and not any(_lines(run) for run in entries[0].row.runs):
        return []
    names = short_names(entries[:SHOWN])
    rows = [(number, *named) for number, named in enumerate(zip(names, entries, strict=False), 1)]
    rest = f" Only the best {SHOWN} of {len(entries):,} rows are shown." if len(entries) > SHOWN else ""
    shown = Shown(page_name(section.protocol.data), rows, rest)
    drawn = []
    for kind, drawing in _KINDS.items():
        made = drawing(shown)
        if made is not None:
            plot, caption = made
            svg = MARK.encode() + b"\n" + draw(plot)
            drawn.append(Chart(_file(section.protocol, kind), svg, plot.title, caption + rest))
    return drawn


def _lines(run: ScoredRun) -> bool:
    """Whether a single run is enough to draw a line."""
    return bool(run.record.validations or run.scores.likelihood.tightness)


def files(drawn: Sequence[Chart]) -> dict[str, bytes]:
    """Path relative to the page -> content."""
    return {chart.file: chart.svg for chart in drawn}


def blocks(drawn: Sequence[Chart]) -> list[str]:
    """Markdown of the charts, each with its caption below it, after a sentence on how rows are labelled."""
    lead = (
        ['In the charts each row is labelled with the number in its column "command" of the table.']
        if drawn
        else []
    )
    return lead + [f"![{chart.title}]({chart.file})\n\n{chart.caption}" for chart in drawn]


def _file(protocol: Protocol, kind: str) -> str:
    """A name that depends on page, protocol and kind alone, so that other sections never change it."""
    protocol_digest = hashlib.sha256(canonical(protocol)).hexdigest()[:16]
    return f"{FOLDER}/{page_name(protocol.data)}-{protocol_digest}-{kind}.svg"


def cost(shown: Shown) -> tuple[Plot, str] | None:
    """Bits/dim, with its standard error, against seconds of training and of fitting a prior."""
    typical = typical_sd([entry.row for _, _, entry in shown.rows])
    series = []
    for number, name, entry in shown.rows:
        mean = entry.row.mean
        seconds, bits = mean["train_seconds"] + mean["fit_seconds"], mean["bits"]
        if seconds > 0 and math.isfinite(seconds) and math.isfinite(bits):
            point = Point(seconds, bits, _error(noise(entry.row, typical)))
            series.append(Series(number, name, [point]))
    if len(series) < 2:
        return None
    front = pareto(series)
    series, beyond = near(series, lambda one: one.points[0].y, "bits/dim")
    x = Axis("training time in seconds, including the fit of a prior", logarithmic(_xs(series)))
    y = Axis("bits/dim (lower is better)", linear(_ys(series)))
    title = f"{shown.page}: bits/dim against training cost"
    named = ", ".join(f"{one.number}" for one in front)
    caption = (
        "Bits/dim against training time, each row on the machine that it ran on. Error bars show the standard"
        f" error that ranking uses. The dashed line is the Pareto front, cheapest first: {named}.{beyond}"
    )
    return Plot(title, x, y, series, [_stairs(front, x.scale)]), caption


def pareto(series: Sequence[Series]) -> list[Series]:
    """The one-point series that no other dominates (no worse in x and y, better in one); cheapest first."""
    front: list[Series] = []
    for one in sorted(series, key=lambda one: (one.points[0].x, one.points[0].y, one.number)):
        best = front[-1].points[0] if front else None
        if best is None or one.points[0].y < best.y or one.points[0][:2] == best[:2]:
            front.append(one)
    return front


def _stairs(front: Sequence[Series], x: Scale) -> Guide:
    """The edge of the region above and to the right of the front, which the front dominates."""
    steps: list[tuple[float, float]] = []
    for one in front:
        point = one.points[0]
        if steps:
            steps.append((point.x, steps[-1][1]))
        steps.append((point.x, point.y))
    return Guide([*steps, (x.ends[1], steps[-1][1])])


def rate_distortion(shown: Shown) -> tuple[Plot, str] | None:
    """Distortion against rate, in nats per image, with lines of constant −ELBO."""
    series = []
    for number, name, entry in shown.rows:
        rate, distortion = entry.row.mean["rate"], entry.row.mean["distortion"]
        if math.isfinite(rate) and math.isfinite(distortion):
            series.append(Series(number, name, [Point(rate, distortion)]))
    if len(series) < 2:
        return None
    series, beyond = near(series, lambda one: one.points[0].x + one.points[0].y, "nats")
    x = Axis("rate, nats per image", linear([0.0, *_xs(series)]))
    y = Axis("distortion, nats per image", linear(_ys(series)))
    title = f"{shown.page}: rate against distortion"
    caption = (
        "Rate against distortion. Along each dashed line their sum, −ELBO, is constant; lower left is better."
        " At rate 0 the latents carry no information: the model has none, or its posterior has collapsed."
        f"{beyond}"
    )
    return Plot(title, x, y, series, _levels(series, x.scale, y.scale)), caption


def _levels(series: Sequence[Series], x: Scale, y: Scale) -> list[Guide]:
    """Lines of slope −1 where rate and distortion have a round sum, cut to the plot."""
    (left, right), (low, high) = x.ends, y.ends
    lines = []
    for total, label in linear((one.points[0].x + one.points[0].y for one in series), LEVELS).ticks:
        start, end = max(left, total - high), min(right, total - low)
        if start < end:
            lines.append(Guide([(start, total - start), (end, total - end)], label))
    return lines


def training(shown: Shown) -> tuple[Plot, str] | None:
    """Validation −ELBO against images seen, for the first seed of each row that has validations."""
    curved = []
    for number, name, entry in shown.rows:
        curves = (_curve(run) for run in entry.row.runs)
        curve = next((curve for curve in curves if len(curve) > 1), None)
        if curve is not None:
            curved.append(Series(number, name, curve))
    if not curved:
        return None
    curved, beyond = near(curved, lambda one: one.points[-1].y, "nats")
    # The first validations are many times larger than all later ones, which they would flatten.
    seen = max(_xs(curved))
    late = [point.y for one in curved for point in one.points if point.x * EARLY >= seen]
    y = linear(late or _ys(curved))
    series = [Series(one.number, one.label, _below(one.points, y.ends[1])) for one in curved]
    x = Axis("images seen", linear([0.0, *_xs(curved)]))
    title = f"{shown.page}: training curves"
    caption = (
        "Validation −ELBO, in nats per image, against the images that training has seen; of several seeds the"
        " first is shown. The first fifth of a curve may lie above the plotted range. A prior that is fitted"
        f" after training is not included.{beyond}"
    )
    return Plot(title, x, Axis("validation −ELBO, nats per image", y), series, lines=True), caption


def near(series: Sequence[Series], value: Callable[[Series], float], unit: str) -> tuple[list[Series], str]:
    """The series without the few so high that the rest would share half the plot; a sentence naming those."""
    ordered = sorted(value(one) for one in series)
    for count in range(1, int(FAR * len(series)) + 1):
        limit = ordered[-count - 1]
        if limit / 2 - ordered[0] / 2 < (ordered[-1] / 2 - ordered[0] / 2) / 2:
            gone = ", ".join(
                f"{one.number} at {short(value(one))} {unit}" for one in series if value(one) > limit
            )
            return [one for one in series if value(one) <= limit], f" Far above the plotted range: {gone}."
    return list(series), ""


def _curve(run: ScoredRun) -> list[Point]:
    """At most ``POINTS`` of a run's validations, including the last."""
    taken = run.record.validations
    points = [Point(_real(one.images), one.nats) for one in taken[:: -max(1, -(-len(taken) // POINTS))]]
    return [point for point in reversed(points) if math.isfinite(point.y) and 0 <= point.x < math.inf]


def _below(points: Sequence[Point], top: float) -> list[Point]:
    """The part of a curve after it last falls below ``top``."""
    above = [place for place, point in enumerate(points) if point.y > top]
    if not above:
        return list(points)
    if above[-1] + 1 == len(points):
        return [Point(points[-1].x, top)]
    (x0, y0, _), (x1, y1, _) = points[above[-1]], points[above[-1] + 1]
    fall = y0 / 2 - y1 / 2
    share = (y0 / 2 - top / 2) / fall if fall else 0.0
    return [Point(x0 + share * (x1 - x0), top), *points[above[-1] + 1 :]]


def bound(shown: Shown) -> tuple[Plot, str] | None:
    """The importance-weighted bound against K, with its standard error over images."""
    followed = []
    for number, name, entry in shown.rows:
        given = (run.scores.likelihood.tightness for run in entry.row.runs)
        taken = next((one for one in given if one is not None and len(_falls(one)) > 1), None)
        if taken is not None:
            followed.append((number, name, taken))
    if not followed:
        return None
    tally = Counter(taken.images for _, _, taken in followed)
    images = max(tally, key=lambda count: (tally[count], count))
    series = [Series(number, name, _falls(one)) for number, name, one in followed if one.images == images]
    other = len(followed) - len(series)
    series, beyond = near(series, lambda one: one.points[-1].y, "bits/dim")
    x = Axis("K, samples of the importance-weighted bound", logarithmic(_xs(series)))
    y = Axis("bits/dim", linear(_ys(series)))
    title = f"{shown.page}: the bound against K"
    caption = (
        f"The importance-weighted bound on {images:,} test images against K; of several seeds the first is"
        " shown. Error bars are standard errors over these images, which are the same for all rows and all"
        f" K. At each K the rows are drawn side by side, the best on the left.{beyond}"
        + (f" Not shown: {other} rows measured on another number of images." if other else "")
    )
    return Plot(title, x, y, series, lines=True, dodge=True), caption


def _falls(taken: Tightness) -> list[Point]:
    pairs = zip(taken.samples, taken.nll, strict=False)
    points = [Point(_real(k), one.bits_per_dim, _error(one.bits_per_dim_se)) for k, one in pairs if k > 0]
    return [point for point in points[:POINTS] if math.isfinite(point.x) and math.isfinite(point.y)]


_KINDS: dict[str, Callable[[Shown], tuple[Plot, str] | None]] = {
    "cost": cost,
    "rate-distortion": rate_distortion,
    "training": training,
    "bound": bound,
}


def _xs(series: Sequence[Series]) -> list[float]:
    return [point.x for one in series for point in one.points]


def _ys(series: Sequence[Series]) -> list[float]:
    """The ends of all error bars."""
    return [
        end
        for one in series
        for point in one.points
        for end in (point.y - point.error, point.y + point.error)
    ]


def _error(value: float | None) -> float:
    """Half an error bar; 0 where the error is unknown or not finite."""
    return 0.0 if value is None or not math.isfinite(value) else abs(value)


def _real(count: int) -> float:
    """A count as a float; infinite where the record holds a larger integer than a float can."""
    try:
        return float(count)
    except OverflowError:
        return math.inf
