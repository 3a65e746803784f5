"""The standard error of one image or of one block is unknown: never zero, and no reason to rank."""

import math
from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from vaebench.cli.summary import scores_lines
from vaebench.evaluation.fid import kid
from vaebench.evaluation.likelihood import estimate
from vaebench.leaderboard.beside import _verdict
from vaebench.leaderboard.charts import charts
from vaebench.leaderboard.comparable import sections
from vaebench.leaderboard.identity import digest
from vaebench.leaderboard.pages import pages
from vaebench.leaderboard.published import Figure
from vaebench.leaderboard.ranking import noise, rows
from vaebench.records import Estimate, Fid, Record, from_json, to_json

from .strategies import laws, records
from .test_comparable import runs_of
from .test_ranking import made, only_section, template

entrants = st.lists(
    st.tuples(st.integers(0, 5), st.integers(0, 3), st.floats(0.5, 8.0)), min_size=1, max_size=12
)


def of_one_image(record: Record, se: float | None) -> Record:
    """``record`` with scores of a single test image, whose error is unknown, or 0 as records once said."""
    likelihood = record.scores.likelihood
    nll = msgspec.structs.replace(likelihood.nll, nats_se=se, bits_per_dim_se=se)
    likelihood = msgspec.structs.replace(likelihood, images=1, nll=nll)
    scores = msgspec.structs.replace(record.scores, likelihood=likelihood)
    data = msgspec.structs.replace(record.data, test=1)
    return msgspec.structs.replace(record, scores=scores, data=data)


@given(st.floats(-1e6, 1e6), st.integers(1, 10_000))
def test_one_image_gives_no_error_and_two_give_one(nats: float, dims: int) -> None:
    one = estimate(torch.tensor([nats], dtype=torch.float64), dims)
    assert (one.nats, one.nats_se, one.bits_per_dim_se) == (nats, None, None)
    two = estimate(torch.tensor([nats, nats], dtype=torch.float64), dims)
    assert (two.nats_se, two.bits_per_dim_se) == (0.0, 0.0)


@pytest.mark.parametrize("count", [2, 3, 4, 9])
def test_kid_of_one_block_has_no_error(count: int) -> None:
    features = torch.randn(count, 5, dtype=torch.float64)
    value, error = kid(features, features + 1)
    assert math.isfinite(value)
    assert error is None if count < 4 else error >= 0


@laws
@given(template, st.sampled_from([None, 0.0]))
def test_an_unknown_error_is_null_in_json_and_comes_back(record: Record, se: float | None) -> None:
    record = of_one_image(record, se)
    again = from_json(to_json(record), "a test")
    assert again == record
    assert digest(again) == digest(record)


@laws
@given(template, entrants, st.sampled_from([None, 0.0]))
def test_all_rows_of_one_image_share_the_first_rank(
    record: Record, scores: list[tuple[int, int, float]], se: float | None
) -> None:
    board = [of_one_image(made(record, *one, se=0.0, rerun=number), se) for number, one in enumerate(scores)]
    entries = only_section(board)
    assert {entry.rank for entry in entries} == {1}
    assert {entry.shared for entry in entries} == {len(entries) > 1}
    assert all(noise(entry.row, 0.0) == math.inf for entry in entries)
    page = next(text.decode() for name, text in pages(board, (), {}).items() if name not in ("README.md",))
    single = sum(entry.row.seeds == 1 for entry in entries)
    assert page.count(", error unknown (n=1)") == single * (2 if record.data.levels == 2 else 1)
    assert "± nan" not in page
    assert "± inf" not in page
    assert "one test image gives no standard error" in page


@laws
@given(records.filter(lambda record: record.scores is not None))
def test_a_summary_says_that_an_error_is_unknown(record: Record) -> None:
    one = Estimate(nats=3.0, nats_se=None, bits_per_dim=1.0, bits_per_dim_se=None)
    likelihood = msgspec.structs.replace(record.scores.likelihood, nll=one, elbo=one, perplexity={})
    scores = msgspec.structs.replace(record.scores, likelihood=likelihood, histogram_bits_per_dim=2.0)
    if isinstance(scores.fid, Fid):
        scores = msgspec.structs.replace(scores, fid=msgspec.structs.replace(scores.fid, kid_se=None))
    text = "\n".join(scores_lines(scores))
    assert "1.0000 bits/dim (3.00 nats), error unknown" in text
    assert ("KID" not in text) or ", error unknown (" in text.partition("KID")[2]
    assert "None" not in text


def test_a_published_figure_is_not_within_noise_that_nobody_knows() -> None:
    figure = Figure(method="m", data="digits", value=3, unit="bits/dim", citation="c", reproduces="enc=mlp")
    assert _verdict(figure, 9.0, math.inf, 1, "enc=mlp") == "standard error unknown"


@laws
@given(template)
def test_charts_draw_no_bar_for_an_unknown_error(record: Record) -> None:
    board = [of_one_image(made(record, number, 0, 3.0 + number, 0.0), None) for number in range(3)]
    (section,) = sections(runs_of(board))
    assert len(rows([section])[0]) == 3
    for chart in charts(section, only_section(board)):
        assert b"nan" not in chart.svg.lower().replace(b"dominant", b"")
        assert b"inf" not in chart.svg


def test_the_shipped_boards_keep_their_records() -> None:
    for path in sorted((Path(__file__).parents[2] / "leaderboards" / "records").glob("*.json")):
        assert digest(from_json(path.read_bytes(), path))[:32] == path.stem[-32:]
