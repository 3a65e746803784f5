"""Rows and ranks against the statistics written out again."""

import math
import statistics
from collections.abc import Sequence

import msgspec
from hypothesis import assume, given
from hypothesis import strategies as st

from vaebench.leaderboard.comparable import sections
from vaebench.leaderboard.ranking import Ranked, noise, ranked, rows, typical_sd
from vaebench.records import Record

from .reading import read_page, texts
from .strategies import laws, records
from .test_comparable import runs_of

template = records.filter(lambda record: record.scores is not None and not record.parts)
score = st.floats(0.5, 8.0)
images_error = st.floats(0.0, 0.5)
entrants = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), score, images_error), min_size=1, max_size=16
)


def made(record: Record, composition: int, seed: int, bits: float, se: float, rerun: int = 0) -> Record:
    """``record`` with another composition, seed and score."""
    nll = msgspec.structs.replace(record.scores.likelihood.nll, bits_per_dim=bits, bits_per_dim_se=se)
    likelihood = msgspec.structs.replace(record.scores.likelihood, nll=nll)
    scores = msgspec.structs.replace(record.scores, likelihood=likelihood)
    name = f"enc=m{composition}"
    return msgspec.structs.replace(record, composition=name, seed=seed, scores=scores, run=f"{rerun}")


def boarded(record: Record, given_scores: Sequence[tuple[int, int, float, float]]) -> list[Record]:
    return [made(record, *one, rerun=number) for number, one in enumerate(given_scores)]


def only_section(board: list[Record]) -> list[Ranked]:
    found = sections(runs_of(board))
    assert len(found) == 1
    return ranked(rows(found)[0])


def expected(given_scores: Sequence[tuple[int, int, float, float]]) -> dict[str, tuple[float, float, int]]:
    """Composition -> mean, noise, seeds: by the page's words."""
    reduced = {}
    for composition in {one[0] for one in given_scores}:
        own = [one for one in given_scores if one[0] == composition]
        by_seed = {seed: [one for one in own if one[1] == seed] for seed in {one[1] for one in own}}
        values = [statistics.fmean(one[2] for one in reruns) for reruns in by_seed.values()]
        se = statistics.fmean(statistics.fmean(one[3] for one in reruns) for reruns in by_seed.values())
        reduced[f"enc=m{composition}"] = (values, se)
    typical = statistics.median(
        [statistics.stdev(values) for values, _ in reduced.values() if len(values) > 1] or [0.0]
    )
    result = {}
    for name, (values, se) in reduced.items():
        sd = statistics.stdev(values) if len(values) > 1 else typical
        error = math.sqrt(se**2 + sd**2 / len(values))
        result[name] = (statistics.fmean(values), error, len(values))
    return result


@laws
@given(template, entrants)
def test_rows_are_means_over_seeds_best_first(
    record: Record, given_scores: list[tuple[int, int, float, float]]
) -> None:
    entries = only_section(boarded(record, given_scores))
    wanted = expected(given_scores)
    assert {entry.row.runs[0].record.composition for entry in entries} == set(wanted)
    typical = typical_sd([entry.row for entry in entries])
    for entry in entries:
        mean, error, seeds = wanted[entry.row.runs[0].record.composition]
        assert math.isclose(entry.row.mean["bits"], mean)
        assert math.isclose(noise(entry.row, typical), error, abs_tol=1e-12)
        assert entry.row.seeds == seeds
    means = [entry.row.mean["bits"] for entry in entries]
    assert means == sorted(means)


@laws
@given(template, entrants)
def test_a_rank_is_shared_exactly_within_the_noise_of_its_best(
    record: Record, given_scores: list[tuple[int, int, float, float]]
) -> None:
    entries = only_section(boarded(record, given_scores))
    wanted = expected(given_scores)
    best = 0
    for place, entry in enumerate(entries):
        mean, error, _ = wanted[entry.row.runs[0].record.composition]
        lead_mean, lead_error, _ = wanted[entries[best].row.runs[0].record.composition]
        margin = 2 * math.sqrt(error**2 + lead_error**2) - (mean - lead_mean)
        assume(place == best or abs(margin) > 1e-9)
        if place > best and margin < 0:
            best = place
        assert entry.rank == best + 1
    ranks = [entry.rank for entry in entries]
    assert all(entry.shared == (ranks.count(entry.rank) > 1) for entry in entries)


@laws
@given(template, entrants)
def test_the_page_shows_these_ranks_and_means(
    record: Record, given_scores: list[tuple[int, int, float, float]]
) -> None:
    board = boarded(record, given_scores)
    entries = only_section(board)
    (text,) = [text for name, text in texts(board).items() if name != "README.md"]
    ((head, *lines),) = read_page(text).tables
    assert [int(line[0].rstrip("=")) for line in lines] == [entry.rank for entry in entries]
    assert [line[0].endswith("=") for line in lines] == [entry.shared for entry in entries]
    for line, entry in zip(lines, entries, strict=True):
        shown = float(line[head.index("bits/dim")].split(" ")[0])
        assert abs(shown - entry.row.mean["bits"]) <= 0.50001e-4


@laws
@given(template, entrants, st.data())
def test_a_rerun_with_the_same_score_changes_no_rank(
    record: Record, given_scores: list[tuple[int, int, float, float]], data: st.DataObject
) -> None:
    # One score per seed, so that repeating it leaves the seed's mean.
    given_scores = list({one[:2]: one for one in given_scores}.values())
    again = data.draw(st.sampled_from(given_scores))
    before = only_section(boarded(record, given_scores))
    after = only_section(boarded(record, [*given_scores, again]))
    assert [(entry.rank, entry.row.seeds, entry.row.mean["bits"]) for entry in before] == [
        (entry.rank, entry.row.seeds, entry.row.mean["bits"]) for entry in after
    ]


@laws
@given(template, score, st.floats(0, 1))
def test_equal_scores_share_the_first_rank(record: Record, bits: float, se: float) -> None:
    entries = only_section([made(record, composition, 0, bits, se) for composition in range(4)])
    assert [entry.rank for entry in entries] == [1, 1, 1, 1]


@laws
@given(template, score)
def test_namesakes_are_told_apart_by_what_differs(record: Record, bits: float) -> None:
    one = made(record, 0, 0, bits, 0.0)
    other = msgspec.structs.replace(one, training=msgspec.structs.replace(one.training, lr=0.25))
    (text,) = [text for name, text in texts([one, other]).items() if name != "README.md"]
    ((head, *lines),) = read_page(text).tables
    cells = {line[head.index("composition")] for line in lines}
    assert cells == {f"enc=m0 (lr={one.training.lr})", "enc=m0 (lr=0.25)"}
