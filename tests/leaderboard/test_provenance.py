"""Stale is a part whose code is known to be another; else a page does not depend on what is installed."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard import pages
from vaebench.leaderboard.markdown import plain, visible
from vaebench.leaderboard.provenance import Current, changed, code_of, distributions, stale
from vaebench.records import PartOrigin, Record

from .reading import inline, read_page, texts
from .strategies import CHECKSUMS, boards, hostile_boards, hostile_records, laws, records

OTHER = "f" * 64
scored = records.filter(lambda record: record.scores is not None)


def key(slot: str, part: PartOrigin) -> tuple[str, str, str]:
    return slot, part.name, part.package


def as_run(board: list[Record]) -> Current:
    """A machine on which the parts are as they ran; of several codes of a part, the last."""
    return {
        key(slot, part): part.source_sha256
        for record in board
        for slot, part in record.parts.items()
        if part.source_sha256
    }


def without_code(board: list[Record]) -> list[Record]:
    return [
        msgspec.structs.replace(
            record,
            parts={
                slot: msgspec.structs.replace(part, source_sha256=None) for slot, part in record.parts.items()
            },
        )
        for record in board
    ]


@laws
@given(hostile_boards, st.data())
def test_changed_parts_are_those_of_other_code(board: list[Record], data: st.DataObject) -> None:
    keys = sorted({key(slot, part) for record in board for slot, part in record.parts.items()})
    hashes = st.sampled_from([*CHECKSUMS, OTHER])
    current = data.draw(st.dictionaries(st.sampled_from(keys), hashes)) if keys else {}
    for record in board:
        wanted = {
            f"{slot}={part.name} of {part.package}"
            for slot, part in record.parts.items()
            if part.source_sha256 and current.get(key(slot, part), part.source_sha256) != part.source_sha256
        }
        assert sorted(changed(record, current)) == sorted(wanted)


@laws
@given(boards)
def test_pages_do_not_depend_on_what_is_installed_unless_it_changed(board: list[Record]) -> None:
    bare = without_code(board)
    elsewhere = {key(slot, part): OTHER for record in bare for slot, part in record.parts.items()}
    assert pages(bare, (), elsewhere) == pages(bare)
    assert not stale(bare, elsewhere)
    assert pages(board, (), {("enc", "not there", "vaebench"): OTHER}) == pages(board)
    for record in board[:1]:
        assert pages([record], (), as_run([record])) == pages([record])


@laws
@given(hostile_boards)
def test_every_stale_row_is_marked_and_named(board: list[Record]) -> None:
    current = dict.fromkeys(as_run(board), OTHER)
    told = stale(board, current)
    assert all(line.isprintable() for line in told)
    for record in board:
        parts = changed(record, current)
        assert bool(parts) == any(part.source_sha256 for part in record.parts.values())
        assert not parts or any(
            visible(record.composition) in line and visible(", ".join(parts)) in line for line in told
        )
    for name, content in pages(board, (), current).items():
        if name.endswith(".md") and name != "README.md":
            cells = [cell for table in read_page(content.decode()).tables for line in table for cell in line]
            marked = any("stale" in cell for cell in cells)
            assert marked == any(line.startswith(f"{name.removesuffix('.md')}: ") for line in told)


@laws
@given(scored, st.sampled_from(CHECKSUMS))
def test_a_stale_row_says_which_part_and_keeps_its_rank(record: Record, code: str) -> None:
    part = PartOrigin(name="mine", package="lab", package_version="1", parameters={}, source_sha256=code)
    made = msgspec.structs.replace(record, composition="enc=mine", parts={"enc": part})
    fresh = pages([made], (), {("enc", "mine", "lab"): code})
    assert fresh == pages([made])
    (text,) = [
        content.decode()
        for name, content in pages([made], (), {("enc", "mine", "lab"): OTHER}).items()
        if name.endswith(".md") and name != "README.md"
    ]
    ((head, line),) = read_page(text).tables
    cell = line[head.index("composition")]
    assert cell.startswith("enc=mine stale")
    assert (
        f"{cell.removeprefix('enc=mine stale')} the code has changed since this row was measured: "
        "enc=mine of lab" in text
    )
    assert line[head.index("rank")] == "1"
    assert line[head.index("components from")] == "lab 1 (enc)"
    assert f"Code: enc=mine of lab 1 {code[:12]}" in text


@laws
@given(scored)
def test_code_tells_namesakes_apart(record: Record) -> None:
    part = PartOrigin(
        name="mine", package="lab", package_version="1", parameters={}, source_sha256=CHECKSUMS[0]
    )
    board = [
        msgspec.structs.replace(
            record,
            composition="enc=mine",
            parts={"enc": msgspec.structs.replace(part, source_sha256=code)},
        )
        for code in CHECKSUMS
    ]
    (text,) = [text for name, text in texts(board).items() if name != "README.md"]
    ((head, *lines),) = read_page(text).tables
    assert {line[head.index("composition")] for line in lines} == {
        f"enc=mine (enc code={code[:12]})" for code in CHECKSUMS
    }


@laws
@given(hostile_records)
def test_provenance_says_its_text_and_nothing_else(record: Record) -> None:
    for said in (distributions(record), code_of(record)):
        inline(f"x {said} x")
        assert "\n" not in said
    for slot, part in record.parts.items():
        assert plain(f"{part.package} {part.package_version}") in distributions(record)
        assert not part.source_sha256 or f"{plain(f'{slot}={part.name}')}" in code_of(record)
