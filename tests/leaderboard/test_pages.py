"""Pages: one for any order, every record once, nothing averaged that is missing."""

import re
from collections import Counter

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard import digest, pages
from vaebench.leaderboard.markdown import visible
from vaebench.records import Missing, Record

from .reading import read_page, texts
from .strategies import boards, hostile, laws, records

INDEX = "README.md"


def shown(text: str) -> Counter[tuple[str, str]]:
    """The runs that a page names: seed and beginning of the digest."""
    return Counter(re.findall(r"seed (-?\d+) \(([0-9a-f]{12})\)", text))


@laws
@given(boards.flatmap(lambda board: st.tuples(st.just(board), st.permutations(board))))
def test_pages_do_not_depend_on_the_order_of_records(boards: tuple[list[Record], list[Record]]) -> None:
    one, other = boards
    assert pages(one) == pages(other)


@laws
@given(boards)
def test_every_record_is_on_one_page_once(board: list[Record]) -> None:
    found = texts(board)
    assert sum((shown(text) for text in found.values()), Counter()) == Counter(
        (str(record.seed), digest(record)[:12]) for record in board
    )
    assert not shown(found[INDEX])


@laws
@given(boards)
def test_the_index_counts_all_runs_and_links_all_pages(board: list[Record]) -> None:
    found = texts(board)
    index = read_page(found.pop(INDEX))
    assert sorted(index.links) == sorted(found)
    listed = [row for table in index.tables for row in table[1:]]
    assert {f"{row[0]}.md": int(row[1].split(" ")[0]) for row in listed} == {
        name: sum(shown(text).values()) for name, text in found.items()
    }


@laws
@given(boards)
def test_rows_of_a_table_and_commands_below_it_are_the_same(board: list[Record]) -> None:
    found = texts(board)
    del found[INDEX]
    for text in found.values():
        page = read_page(text)
        assert len(page.fences) == sum(len(table) - 1 for table in page.tables)
        for table in page.tables:
            assert [int(row[-1]) for row in table[1:]] == list(range(1, len(table)))


@laws
@given(records, st.integers(1, 120), hostile)
def test_every_row_has_its_commands_however_many(record: Record, rows: int, command: str) -> None:
    board = [
        msgspec.structs.replace(
            record, composition=f"enc=m{row}", seed=seed, command=f"{seed} {row} {command}"
        )
        for row in range(rows)
        for seed in range(2)
    ]
    (text,) = [text for name, text in texts(board).items() if name != INDEX]
    lines = [line for fence in read_page(text).fences for line in fence.splitlines()]
    assert sorted(lines) == sorted(visible(record.command) for record in board)


@laws
@given(boards)
def test_a_diverged_run_has_no_rank(board: list[Record]) -> None:
    for name, text in texts(board).items():
        lost = sum(shown(part).total() for part in text.split("\n## Diverged\n")[1:])
        assert name == INDEX or lost == sum(
            (str(record.seed), digest(record)[:12]) in shown(text)
            for record in board
            if record.status == "diverged"
        )


def with_fid(record: Record, fid: object, seed: int) -> Record:
    scores = msgspec.structs.replace(record.scores, fid=fid)
    return msgspec.structs.replace(record, scores=scores, seed=seed)


scored = records.filter(lambda record: record.scores is not None)
measured = scored.filter(lambda record: not isinstance(record.scores.fid, Missing))


@laws
@given(measured, st.text("abc ", min_size=1))
def test_a_score_that_one_seed_lacks_is_not_averaged(record: Record, why: str) -> None:
    whole = [with_fid(record, record.scores.fid, seed) for seed in (1, 2)]
    holed = [*whole, with_fid(record, Missing(why=f"because {why}"), 3)]
    for board, missing in ((whole, False), (holed, True)):
        (text,) = [text for name, text in texts(board).items() if name != INDEX]
        ((head, row),) = read_page(text).tables
        cells = {title.split(" at ")[0]: cell for title, cell in zip(head, row, strict=True)}
        for title in ("FID", "FID → ∞", "KID"):
            assert cells[title].startswith("—") == missing
        assert (f"no FID for seed 3: because {why}".strip() in text) == missing


@laws
@given(scored, st.lists(st.integers(0, 5), min_size=1, max_size=5))
def test_a_row_says_over_how_many_seeds_it_is(record: Record, seeds: list[int]) -> None:
    board = [msgspec.structs.replace(record, seed=seed, run=f"{number}") for number, seed in enumerate(seeds)]
    (text,) = [text for name, text in texts(board).items() if name != INDEX]
    ((head, row),) = read_page(text).tables
    kind = "sd" if len(set(seeds)) > 1 else "se"
    assert row[head.index("bits/dim")].endswith(f" {kind} (n={len(set(seeds))})")
    assert ("nats" in head) == (record.data.levels == 2)


@laws
@given(
    scored, st.floats(allow_nan=False, allow_infinity=False), st.floats(allow_nan=False, allow_infinity=False)
)
def test_the_largest_numbers_make_a_page_too(record: Record, one: float, other: float) -> None:
    board = []
    for seed, value in enumerate((one, other)):
        nll = msgspec.structs.replace(record.scores.likelihood.nll, nats=value, bits_per_dim=value)
        likelihood = msgspec.structs.replace(record.scores.likelihood, nll=nll)
        scores = msgspec.structs.replace(record.scores, likelihood=likelihood)
        board.append(msgspec.structs.replace(record, scores=scores, seed=seed))
    assert sum(shown(text).total() for text in texts(board).values()) == 2
