"""Text from strangers changes nothing but the text that is read."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard.markdown import code, fenced, fixed, plain, table, visible
from vaebench.leaderboard.wording import MARK
from vaebench.records import Record

from .reading import PARSER, inline, read_page, texts
from .strategies import FRAGMENTS, hostile, hostile_boards, laws

OURS = {
    *("heading_open", "heading_close", "paragraph_open", "paragraph_close", "inline", "text", "text_special"),
    *("bullet_list_open", "bullet_list_close", "ordered_list_open", "ordered_list_close", "softbreak"),
    *("list_item_open", "list_item_close", "fence", "code_inline", "link_open", "link_close", "html_block"),
    "image",
    *("table_open", "table_close", "thead_open", "thead_close", "tbody_open", "tbody_close"),
    *("tr_open", "tr_close", "th_open", "th_close", "td_open", "td_close"),
}


def is_inert(text: str) -> None:
    for cell in (plain(text), code(text)):
        assert inline(f"x {cell} x").split() == f"x {visible(text)} x".split()
        assert not re.search(r"[|<\[\n\r]|\\\|", cell)
    # What GitHub alone makes something of: links, mentions, issues, pictures, formulas.
    assert not re.search(r"(?i)www\.|:\w|:/|@|#(?!\d+;)|[*_~$`\\]", plain(text))


@laws
@given(hostile)
def test_plain_and_code_say_the_text_and_nothing_else(text: str) -> None:
    is_inert(text)


@pytest.mark.parametrize("one", FRAGMENTS)
def test_no_two_fragments_make_markdown_together(one: str) -> None:
    for other in FRAGMENTS:
        is_inert(one + other)


@laws
@given(st.lists(st.lists(hostile, min_size=3, max_size=3), max_size=4))
def test_a_table_keeps_its_cells(rows: list[list[str]]) -> None:
    head = ["a", "b", "c"]
    cells = [[plain(row[0]), code(row[1]), plain(row[2])] for row in rows]
    markdown = table(head, cells, [False, True, False])
    (read,) = read_page(markdown).tables
    assert [[cell.split() for cell in row] for row in read] == [
        [visible(cell).split() for cell in row] for row in [head, *rows]
    ]
    assert all(line.count("|") == 4 for line in markdown.splitlines())


ticks = st.integers(1, 9).map(lambda count: "`" * count)


@laws
@given(st.lists(st.one_of(hostile, ticks), min_size=1), st.integers(1, 99999))
def test_a_command_stays_in_its_block(commands: list[str], number: int) -> None:
    lead = f"{number}. "
    tokens = PARSER.parse(f"{lead}x\n\n{fenced(commands, ' ' * len(lead))}\n{number + 1}. y\n")
    (fence,) = [token for token in tokens if token.type == "fence"]
    assert fence.content == "".join(visible(command) + "\n" for command in commands)
    assert fence.level == 2
    assert [token.type for token in tokens].count("list_item_open") == 2


@laws
@given(hostile)
def test_what_is_visible_prints_on_one_line_and_is_told_apart(text: str) -> None:
    assert visible(text).isprintable()
    assert visible(text + "\n") != visible(text)


@laws
@given(hostile_boards)
def test_no_text_in_a_record_shapes_its_page(board: list[Record]) -> None:
    found = texts(board)
    index = found.pop("README.md")
    for name, text in found.items():
        page = read_page(text)
        assert page.kinds <= OURS
        assert page.html == [MARK + "\n"]
        assert page.links == ["README.md"]
        assert page.headings[0] == name.removesuffix(".md")
        assert page.headings.count("Commands") == len(page.tables)
        assert len(page.headings) == 2 + 2 * len(page.tables)
        for head, *rows in page.tables:
            assert rows
            assert {len(row) for row in rows} == {len(head)}
    page = read_page(index)
    assert page.kinds <= OURS
    assert len(page.headings) == 1
    assert page.links == list(found)


@laws
@given(hostile_boards)
def test_pages_are_utf8_and_end_lines_one_way(board: list[Record]) -> None:
    for text in texts(board).values():
        assert text.encode().decode() == text
        assert not re.search("[\r\x00\x0b\x0c\x1b\x85\u2028\u2029]", text)


@laws
@given(st.floats(-1e300, 1e300), st.integers(0, 5))
def test_numbers_are_short_and_near(value: float, digits: int) -> None:
    text = fixed(value, digits)
    assert len(text) <= 20
    assert not re.fullmatch(r"-[0.]+", text)
    assert abs(float(text.replace(",", "")) - value) <= max(0.5001 * 10.0**-digits, 0.005001 * abs(value))
