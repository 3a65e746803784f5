"""Only like stands with like, and what is alike stands together."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard.comparable import Section, sections
from vaebench.leaderboard.identity import ScoredRun, digest, file_name, page_name, recipe
from vaebench.records import Fid, Missing, Record

from .strategies import boards, laws, records


def runs_of(board: list[Record]) -> list[ScoredRun]:
    return [
        ScoredRun(record, record.scores, recipe(record), digest(record))
        for record in board
        if record.scores is not None
    ]


def allowed(record: Record) -> int:
    training = record.training
    return training.batch * training.steps if training.steps else round(training.epochs * record.data.train)


def bound_to(run: ScoredRun) -> tuple[object, ...]:
    """What fixes a run's section by itself; None where it would stand with any."""
    likelihood, fid = run.scores.likelihood, run.scores.fid
    return (
        run.record.data,
        allowed(run.record),
        likelihood.samples if likelihood.bound == "iwae" else None,
        (fid.extractor, fid.weights_sha256, fid.images, fid.reference) if isinstance(fid, Fid) else None,
    )


def fits(run: ScoredRun, section: Section) -> bool:
    protocol = section.protocol
    fid = protocol.fid
    offered = (
        protocol.data,
        protocol.images,
        protocol.samples,
        None if fid is None else (fid.extractor, fid.weights_sha256, fid.images, fid.reference),
    )
    wanted = bound_to(run)
    return all(want is None or want == offer for want, offer in zip(wanted, offered, strict=True))


@laws
@given(boards)
def test_a_section_fits_all_its_runs_and_holds_each_once(board: list[Record]) -> None:
    runs = runs_of(board)
    found = sections(runs)
    assert sorted(run.digest for section in found for run in section.runs) == sorted(
        run.digest for run in runs
    )
    assert all(fits(run, section) for section in found for run in section.runs)
    assert len({section.protocol for section in found}) == len(found)


@laws
@given(boards)
def test_bigger_sections_come_first(board: list[Record]) -> None:
    sizes = [len(section.runs) for section in sections(runs_of(board))]
    assert sizes == sorted(sizes, reverse=True)


@laws
@given(boards)
def test_what_is_bound_to_the_same_protocol_stands_together(board: list[Record]) -> None:
    homes: dict[tuple[object, ...], set[int]] = {}
    for number, section in enumerate(sections(runs_of(board))):
        for run in section.runs:
            if None not in bound_to(run):
                homes.setdefault(bound_to(run), set()).add(number)
    assert all(len(numbers) == 1 for numbers in homes.values())


@laws
@given(boards)
def test_a_run_without_k_or_fid_is_alone_only_where_none_is_like_it(board: list[Record]) -> None:
    found = sections(runs_of(board))
    for section in found:
        if section.protocol.samples is None:
            assert all(run.scores.likelihood.bound != "iwae" for run in section.runs)
        for other in found:
            same = section.protocol.data == other.protocol.data
            if same and section.protocol.images == other.protocol.images and section is not other:
                k, other_k = section.protocol.samples, other.protocol.samples
                assert k != other_k or None not in (section.protocol.fid, other.protocol.fid)


whole = records.filter(
    lambda record: (
        record.scores is not None
        and record.scores.likelihood.bound == "iwae"
        and isinstance(record.scores.fid, Fid)
    )
)


def crowd(record: Record, samples: int, size: int, fid_images: int) -> list[Record]:
    """``size`` seeds of a record with this protocol."""
    fid = msgspec.structs.replace(record.scores.fid, images=fid_images)
    likelihood = msgspec.structs.replace(record.scores.likelihood, samples=samples)
    scores = msgspec.structs.replace(record.scores, likelihood=likelihood, fid=fid)
    made = msgspec.structs.replace(record, scores=scores, composition="enc=x")
    return [msgspec.structs.replace(made, seed=seed) for seed in range(size)]


@laws
@given(whole, st.integers(1, 4), st.integers(1, 4))
def test_a_run_without_k_or_fid_stands_with_the_most(record: Record, few: int, many: int) -> None:
    free = msgspec.structs.replace(record.scores.likelihood, bound="two-part", samples=1)
    board = crowd(record, 10, few, 50) + crowd(record, 100, many, 2000)
    for likelihood, fid, stands_with in (
        (free, Missing(why="x"), 10 if few > many else 100),
        (free, board[0].scores.fid, 10),
        (free, board[-1].scores.fid, 100),
        (board[0].scores.likelihood, Missing(why="x"), 10),
        (board[-1].scores.likelihood, Missing(why="x"), 100),
    ):
        scores = msgspec.structs.replace(record.scores, likelihood=likelihood, fid=fid)
        stranger = msgspec.structs.replace(board[0], composition="enc=y", scores=scores)
        found = sections(runs_of([*board, stranger]))
        (home,) = [
            section for section in found if any(run.record.composition == "enc=y" for run in section.runs)
        ]
        assert len(found) == 2
        assert home.protocol.samples == stands_with


@laws
@given(whole, st.integers(0, 10**6), st.integers(1, 512))
def test_what_training_saw_of_its_budget_parts_no_runs(record: Record, seen: int, batch: int) -> None:
    training = msgspec.structs.replace(record.training, steps=None, epochs=2.5)
    budget = msgspec.structs.replace(record.budget, images=seen, stopped="patience")
    one = msgspec.structs.replace(record, training=training)
    other = msgspec.structs.replace(
        one, training=msgspec.structs.replace(training, batch=batch), budget=budget, run="other"
    )
    assert len(sections(runs_of([one, other]))) == 1


@laws
@given(boards)
def test_names_tell_contents_apart(board: list[Record]) -> None:
    assert len({file_name(record) for record in board}) == len({digest(record) for record in board})
    for record in board:
        name = file_name(record)
        assert len(name.encode()) < 200
        assert name.isascii()
        assert set(name.lower()) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")


@laws
@given(boards, st.sampled_from(["", "README", "readme", "../../etc", "a/b", "CON", "漢字", ".", "x" * 300]))
def test_a_page_name_is_a_file_name_and_never_the_index(board: list[Record], name: str) -> None:
    for record in board:
        page = page_name(msgspec.structs.replace(record.data, name=name))
        assert page
        assert len(page) < 80
        assert page != "readme"
        assert set(page) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")
        assert page.endswith("-binary") == (record.data.levels == 2)
