"""A section's charts say what its rows say, and nothing that a record could make them say."""

import math
import re
from itertools import pairwise
from random import Random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard.charts import (
    FAR,
    OWN,
    POINTS,
    SHOWN,
    Chart,
    Shown,
    blocks,
    bound,
    charts,
    cost,
    files,
    near,
    pareto,
    rate_distortion,
    training,
)
from vaebench.leaderboard.comparable import Section, sections
from vaebench.leaderboard.gallery import FOLDER
from vaebench.leaderboard.names import short_names
from vaebench.leaderboard.ranking import Ranked, noise, ranked, rows, typical_sd
from vaebench.leaderboard.svg import Point, Series
from vaebench.leaderboard.wording import MARK
from vaebench.records import Record, Tightness, Validation

from .reading import PARSER
from .strategies import Making, boards, chance, hostile_boards, laws, records, texts
from .test_comparable import runs_of, whole
from .test_svg import read


def followed(record: Record, luck: Random) -> Record:
    """``record`` with curves, of any length and sense."""
    making = Making(luck, [""], [""], [""])
    points = [
        Validation(images=luck.choice([number * 100, -1, 10**400]), seconds=0.0, nats=making.number())
        for number in range(luck.choice([0, 1, 5]))
    ]
    scores = record.scores
    if scores is not None and luck.random() < 0.7:
        taken = tuple(luck.choice([1, 3, 10, 0, 10**400]) for _ in range(luck.randrange(6)))
        followed = Tightness(
            images=luck.choice([20, 50]),
            samples=taken,
            nll=tuple(making.estimate() for _ in range(luck.randrange(6))),
        )
        likelihood = msgspec.structs.replace(scores.likelihood, tightness=followed)
        scores = msgspec.structs.replace(scores, likelihood=likelihood)
    return msgspec.structs.replace(record, validations=tuple(points), scores=scores)


def grown(board: list[Record], luck: Random) -> list[Record]:
    return [followed(record, luck) for record in board]


def crowd(record: Record, luck: Random) -> list[Record]:
    """Rows of a few seeds each, in one section, with plausible numbers and curves."""
    assert record.scores is not None
    board = []
    for row in range(luck.randrange(1, 6)):
        for seed in range(luck.randrange(1, 4)):
            bits = luck.uniform(1, 3)
            likelihood = record.scores.likelihood
            estimate = msgspec.structs.replace(likelihood.nll, bits_per_dim=bits, bits_per_dim_se=0.01)
            ladder = Tightness(images=luck.choice([20, 50]), samples=(1, 3, 10), nll=(estimate,) * 3)
            likelihood = msgspec.structs.replace(likelihood, nll=estimate, tightness=ladder)
            curve = tuple(
                Validation(images=100 * n, seconds=n, nats=80 + luck.uniform(0, 900) / n)
                for n in range(1, luck.randrange(3, 12))
            )
            board.append(
                msgspec.structs.replace(
                    record,
                    composition=f"enc=m{row}",
                    seed=seed,
                    scores=msgspec.structs.replace(record.scores, likelihood=likelihood),
                    validations=curve,
                    budget=msgspec.structs.replace(record.budget, train_seconds=luck.uniform(1, 100)),
                )
            )
    return board


scored = records.filter(lambda record: record.scores is not None)
followed_boards = st.one_of(st.builds(grown, boards, chance), st.builds(crowd, scored, chance))
hostile_followed = st.builds(grown, hostile_boards, chance)


def drawn(board: list[Record]) -> list[tuple[Section, list[Ranked], list[Chart]]]:
    found = sections(runs_of(board))
    entries = [ranked(members) for members in rows(found)]
    return [(section, each, charts(section, each)) for section, each in zip(found, entries, strict=True)]


def shown_of(entries: list[Ranked]) -> Shown:
    names = short_names(entries)
    return Shown("page", [(n, *each) for n, each in enumerate(zip(names, entries, strict=True), 1)], "")


@laws
@given(followed_boards, chance)
def test_the_order_of_records_changes_no_byte(board: list[Record], luck: Random) -> None:
    shuffled = luck.sample(board, len(board))
    assert [made for *_, made in drawn(board)] == [made for *_, made in drawn(shuffled)]


@laws
@given(hostile_followed)
def test_whatever_a_record_says_its_charts_are_pictures_and_its_markdown_images(board: list[Record]) -> None:
    for *_, made in drawn(board):
        assert all(chart.svg.startswith(MARK.encode()) for chart in made)
        assert all(read(chart.svg).tag == "svg" for chart in made)
        tokens = PARSER.parse("\n\n".join(blocks(made)))
        inner = [child for token in tokens for child in token.children or []]
        assert {child.type for child in inner} <= {"image", "text", "softbreak"}
        images = [str(child.attrs["src"]) for child in inner if child.type == "image"]
        assert images == list(files(made))
        assert all(OWN.fullmatch(name.removeprefix(f"{FOLDER}/")) for name in images)
        assert all(re.fullmatch(r"[\w ,.():;−/-]+", chart.caption) for chart in made)


@laws
@given(whole, st.lists(st.integers(1, 3), min_size=1, max_size=3), chance)
def test_other_sections_change_neither_name_nor_byte(record: Record, ks: list[int], luck: Random) -> None:
    crowds = {}
    for k in ks:
        likelihood = msgspec.structs.replace(record.scores.likelihood, samples=k)
        scores = msgspec.structs.replace(record.scores, likelihood=likelihood)
        crowds[k] = crowd(msgspec.structs.replace(record, scores=scores), luck)
    whole_board = [one for each in crowds.values() for one in each]
    together = {section.protocol.samples: made for section, _, made in drawn(whole_board)}
    for k, alone in crowds.items():
        assert [made for *_, made in drawn(alone)] == [together[k]]
    names = [chart.file for made in together.values() for chart in made]
    assert len(names) == len(set(names)) >= len(crowds)


@laws
@given(followed_boards)
def test_a_chart_appears_where_there_are_two_points_or_a_line(board: list[Record]) -> None:
    for _, entries, made in drawn(board):
        kinds = {re.sub(r".*-[0-9a-f]{16}-|\.svg", "", chart.file) for chart in made}
        paid = [entry for entry in entries if entry.row.mean["train_seconds"] > 0]
        assert ("cost" in kinds) == (len(paid) > 1)
        assert ("rate-distortion" in kinds) == (len(entries) > 1)
        runs = [run for entry in entries for run in entry.row.runs]
        seen = [sum(0 <= one.images < 1e300 for one in run.record.validations) for run in runs]
        few = [len(run.record.validations) <= 5 for run in runs]
        if all(few):  # of long curves only some points are drawn
            assert ("training" in kinds) == any(count > 1 for count in seen)
        lines = [run.scores.likelihood.tightness for run in runs]
        known = [
            sum(0 < k < 1e300 for k, _ in zip(one.samples, one.nll, strict=False)) for one in lines if one
        ]
        assert ("bound" in kinds) == any(count > 1 for count in known)


@laws
@given(scored, st.integers(1, 70))
def test_only_as_many_rows_are_drawn_as_can_be_told_apart(record: Record, count: int) -> None:
    board = [
        msgspec.structs.replace(
            record,
            composition=f"enc=m{n}",
            budget=msgspec.structs.replace(record.budget, train_seconds=n + 1.0),
        )
        for n in range(count)
    ]
    ((_, _, made),) = drawn(board)
    for chart in made:
        texts = [element.text for element in read(chart.svg).iter("text")]
        shown = {text for text in texts if text and text.startswith("enc=m")}
        assert len(shown) == min(count, SHOWN)
        assert (f"Only the best {SHOWN} of {count} rows are shown." in chart.caption) == (count > SHOWN)


@laws
@given(followed_boards)
def test_points_stand_where_the_table_says(board: list[Record]) -> None:
    for _, entries, _ in drawn(board):
        shown = shown_of(entries)
        typical = typical_sd([entry.row for entry in entries])
        for drawing, place in (
            (cost, lambda row: (row.mean["train_seconds"] + row.mean["fit_seconds"], row.mean["bits"])),
            (rate_distortion, lambda row: (row.mean["rate"], row.mean["distortion"])),
        ):
            plot, _ = drawing(shown) or (None, "")
            for series in plot.series if plot else ():
                row = entries[series.number - 1].row
                assert [point[:2] for point in series.points] == [place(row)]
                assert series.points[0].error == (noise(row, typical) if drawing is cost else 0)


@laws
@given(followed_boards)
def test_along_a_dashed_line_rate_and_distortion_have_one_sum(board: list[Record]) -> None:
    for _, entries, _ in drawn(board):
        plot, _ = rate_distortion(shown_of(entries)) or (None, "")
        for guide in plot.guides if plot else ():
            sums = [x + y for x, y in guide.points]
            size = max(abs(end) for point in guide.points for end in point)
            assert abs(sums[0] - sums[1]) <= 1e-9 * size
            total = float(guide.label.replace("−", "-").replace(",", "").rstrip("MB"))
            factor = {"M": 1e6, "B": 1e9}.get(guide.label[-1], 1)
            assert math.isclose(sums[0], total * factor, rel_tol=1e-5, abs_tol=1e-9 * size)


@laws
@given(followed_boards)
def test_a_training_curve_is_the_records_but_for_what_lies_above(board: list[Record]) -> None:
    for _, entries, _ in drawn(board):
        plot, _ = training(shown_of(entries)) or (None, "")
        if plot is None:
            continue
        _, top = plot.y.scale.ends
        for series in plot.series:
            runs = entries[series.number - 1].row.runs
            kept = [
                [(float(one.images), one.nats) for one in run.record.validations if 0 <= one.images < 1e300]
                for run in runs
            ]
            taken = next(curve for curve in kept if len(curve) > 1)
            below = [point[:2] for point in series.points]
            if below[0] not in taken:
                ((x, y), *below) = below
                before = len(taken) - len(below)
                (x0, y0), (x1, y1) = taken[before - 1], taken[min(before, len(taken) - 1)]
                assert y == top < y0
                # On the record's own line from above to below.
                assert not below or math.isclose(
                    (x - x0) * (y1 - y0), (top - y0) * (x1 - x0), rel_tol=1e-6, abs_tol=1e-6 * abs(y1 - y0)
                )
            assert below == taken[len(taken) - len(below) :]
            assert all(y <= top + 1e-9 * abs(top) for _, y in below)


@laws
@given(followed_boards)
def test_the_bounds_of_a_chart_are_of_as_many_images(board: list[Record]) -> None:
    for _, entries, _ in drawn(board):
        plot, caption = bound(shown_of(entries)) or (None, "")
        for series in plot.series if plot else ():
            taken = [run.scores.likelihood.tightness for run in entries[series.number - 1].row.runs]
            (images,) = re.findall(r"bound on (\d+) test images", caption)
            assert any(
                one is not None
                and str(one.images) == images
                and {point.y for point in series.points} <= {each.bits_per_dim for each in one.nll}
                for one in taken
            )


places = st.tuples(st.integers(1, 5).map(float), st.integers(1, 5).map(float))


@laws
@given(st.lists(places, min_size=1, max_size=8))
def test_the_front_is_what_nothing_dominates(taken: list[tuple[float, float]]) -> None:
    series = [Series(n, "", [Point(*place)]) for n, place in enumerate(taken, 1)]
    free = {
        n
        for n, (x, y) in enumerate(taken, 1)
        if not any(u <= x and v <= y and (u, v) != (x, y) for u, v in taken)
    }
    front = pareto(series)
    assert {one.number for one in front} == free
    assert [one.points[0].x for one in front] == sorted(one.points[0].x for one in front)


@laws
@given(st.lists(st.one_of(st.floats(0, 1), st.floats(0, 1e3)), min_size=1, max_size=25))
def test_only_few_are_left_out_and_only_where_that_halves_the_picture(values: list[float]) -> None:
    series = [Series(n, "", [Point(0, y)]) for n, y in enumerate(values, 1)]
    kept, words = near(series, lambda one: one.points[0].y, "nats")
    left = [one.points[0].y for one in kept]
    gone = [one.points[0].y for one in series if one not in kept]
    assert len(gone) <= FAR * len(values)
    assert bool(gone) == bool(words)
    assert all(f"{one.number} at" in words for one in series if one not in kept)
    if gone:
        assert max(left) < min(gone)
        assert max(left) - min(left) < (max(gone) - min(left)) / 2


slots = st.fixed_dictionaries({slot: st.sampled_from("ab") for slot in ("enc", "latent", "dec")})
extras = st.dictionaries(st.sampled_from(["enc.width", "prior.blocks"]), st.sampled_from(["1", "2x1,4m2"]))
specs = st.builds(
    lambda *both: ",".join(f"{name}={value}" for one in both for name, value in sorted(one.items())),
    slots,
    extras,
)


@laws
@given(
    scored,
    st.lists(specs, min_size=1, max_size=12, unique=True),
    st.booleans(),
)
def test_short_names_tell_all_rows_apart(record: Record, compositions: list[str], twice: bool) -> None:
    board = [msgspec.structs.replace(record, composition=one) for one in compositions]
    if twice:
        settings = msgspec.structs.replace(record.training, lr=0.25)
        board += [msgspec.structs.replace(one, training=settings) for one in board]
    ((_, entries, _),) = drawn(board)
    names = short_names(entries)
    assert len(set(names)) == len(board)
    for name, entry in zip(names, entries, strict=True):
        composition = entry.row.runs[0].record.composition
        left = name.replace("enc=dec=", f"enc={re.findall('enc=(.)', composition)[0]}, dec=")
        assert all(part in composition or part.startswith("lr=") for part in left.split(", "))


@laws
@given(st.builds(Making, chance, texts, texts, texts), st.integers(2, 5))
def test_names_of_hostile_compositions_are_one_for_each(making: Making, count: int) -> None:
    board = [making.record() for _ in range(count)]
    for _, entries, _ in drawn(board):
        assert len(short_names(entries)) == len(entries)


@laws
@given(scored, st.integers(2, 900))
def test_of_a_long_curve_some_points_are_drawn_the_last_among_them(record: Record, count: int) -> None:
    points = [Validation(images=n, seconds=0.0, nats=100.0) for n in range(count)]
    ((_, entries, _),) = drawn([msgspec.structs.replace(record, validations=tuple(points))])
    plot, _ = training(shown_of(entries)) or (None, "")
    assert plot is not None
    (series,) = plot.series
    taken = [int(point.x) for point in series.points]
    assert min(count, POINTS // 2) <= len(taken) <= POINTS
    assert taken[-1] == count - 1
    assert len({after - before for before, after in pairwise(taken)}) == 1
