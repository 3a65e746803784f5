"""Pictures: those that pages show are files, those that are files are shown, and none is but a PNG."""

import io
import re
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from vaebench.leaderboard import check, pages, regenerate
from vaebench.leaderboard.gallery import OWN
from vaebench.records import Pictures, Record

from .reading import read_page, texts
from .strategies import boards, hostile, hostile_boards, laws, png, records
from .test_folder import fill, on_disk

scored = records.filter(lambda record: record.scores is not None)
GOOD = png(4, 2, b"\7")


@laws
@given(hostile_boards)
def test_pages_show_the_files_and_no_others(board: list[Record]) -> None:
    found = pages(board)
    shown = {source for text in texts(board).values() for source in read_page(text).pictures}
    assert shown == {name for name in found if not name.endswith(".md")}
    for name in shown:
        folder, _, file = name.partition("/")
        assert folder == "pictures"
        assert OWN.fullmatch(file)
        Image.open(io.BytesIO(found[name])).load()


def pictured(record: Record, seed: int, pictures: Pictures | None) -> Record:
    return msgspec.structs.replace(record, seed=seed, pictures=pictures)


def one_row(board: list[Record]) -> tuple[str, list[str], list[str]]:
    """The page of a board of one row, its table's head and line."""
    (text,) = [text for name, text in texts(board).items() if name != "README.md"]
    ((head, line),) = read_page(text).tables
    return text, head, line


@laws
@given(scored, st.lists(st.booleans(), min_size=1, max_size=4))
def test_a_row_shows_its_first_seed_that_has_pictures(record: Record, has: list[bool]) -> None:
    board = [
        pictured(record, seed, Pictures(samples=GOOD, reconstructions=GOOD) if there else None)
        for seed, there in enumerate(has)
    ]
    text, head, line = one_row(board)
    titles = [title for title in head if title.startswith("samples")]
    assert len(titles) == any(has)
    if any(has):
        assert line[head.index(titles[0])] == f"samples of seed {has.index(True)}"
        for kind in ("samples", "reconstructions"):
            assert set(re.findall(rf"!\[{kind} of seed (-?\d+)\]", text)) == {str(has.index(True))}


@laws
@given(scored, hostile)
def test_what_is_no_png_is_missing_and_said_so(record: Record, damaged: str) -> None:
    text, head, line = one_row(
        [pictured(record, 0, Pictures(samples=damaged.encode(), reconstructions=GOOD))]
    )
    (cell,) = [cell for title, cell in zip(head, line, strict=True) if title.startswith("samples")]
    assert cell.startswith("—")
    assert len(cell) > 1
    assert "samples not shown: not a valid PNG" in text
    assert len(read_page(text).pictures) == 1


@given(boards, st.sampled_from([f"{'0' * 32}-samples.png", f"{'a' * 32}-reconstructions.png"]))
@on_disk
def test_a_picture_that_no_record_calls_for_goes_and_one_by_hand_stays(board: list[Record], old: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, board)
        (root / "pictures").mkdir()
        kept = ["by-hand-samples.png", f"{'0' * 31}-samples.png", f"x{'0' * 32}-samples.png"]
        for name in (old, *kept):
            (root / "pictures" / name).write_bytes(GOOD)
        assert root / "pictures" / old in check(root).changed
        regenerate(root)
        there = {path.name for path in root.glob("pictures/*")}
        assert old not in there
        assert set(kept) <= there
        for path in root.glob("records/*"):
            path.unlink()
        regenerate(root)
        assert {path.name for path in root.glob("pictures/*")} == set(kept)
