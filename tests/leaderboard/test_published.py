"""Published figures stand beside the measured ones, move none of them, and are compared by numbers."""

import math
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.errors import UsageError
from vaebench.images import ImageShape
from vaebench.leaderboard import pages, regenerate
from vaebench.leaderboard.comparable import sections
from vaebench.leaderboard.identity import page_name
from vaebench.leaderboard.markdown import visible
from vaebench.leaderboard.published import SEVERAL_RELEASES, Figure, Stated, read
from vaebench.leaderboard.ranking import noise, rows, typical_sd
from vaebench.leaderboard.wording import MARK
from vaebench.records import Estimate, Record
from vaebench.requests import recipes

from .reading import read_page
from .strategies import COMPOSITIONS, boards, hostile, hostile_boards, laws, records
from .test_comparable import runs_of
from .test_markdown import OURS

SHIPPED = Path(__file__).parents[2] / "leaderboards" / "published.toml"
TITLE = "\n## Published, not ranked\n"
scored = records.filter(lambda record: record.scores is not None)
PAGES = ["digits", "mnist", "imagenet32"]


def figures_of(words: st.SearchStrategy[str], names: st.SearchStrategy[str]) -> st.SearchStrategy[Figure]:
    text = words.filter(bool)
    stated = st.builds(
        Stated,
        binarisation=st.sampled_from([None, "static", "dynamic", "unstated"]),
        bound=st.none() | text,
        bits=st.none() | st.integers(1, 16),
        release=st.none() | text,
        note=st.none() | text,
    )
    return st.builds(
        Figure,
        method=text,
        data=names,
        value=st.decimals(-1000, 1000, places=2),
        unit=st.sampled_from(["nats", "bits/dim"]),
        citation=text,
        secondary=st.booleans(),
        protocol=stated,
        images=st.none() | st.integers(1, 10**9),
        reproduces=st.none() | st.sampled_from(COMPOSITIONS),
        comparable_with=st.lists(st.sampled_from(COMPOSITIONS), max_size=2).map(tuple),
    )


figures = st.lists(figures_of(st.text("abc ", min_size=1), st.sampled_from(PAGES)), max_size=6)
hostile_figures = st.lists(figures_of(hostile, st.just("x")), min_size=1, max_size=3)


def split(text: str) -> tuple[str, str]:
    """A page without its published section, and that section."""
    before, found, rest = text.partition(TITLE)
    if not found:
        return text, ""
    places = [rest.find(f"\n## {title}\n") for title in ("Diverged", "How to read this")]
    end = min(place for place in places if place >= 0)
    return before + rest[end:], rest[:end]


@laws
@given(boards, figures)
def test_figures_move_nothing_that_was_measured(board: list[Record], published: list[Figure]) -> None:
    bare, full = pages(board), pages(board, published)
    assert full == pages(board[::-1], published[::-1])
    assert set(full) == set(bare)
    for name, content in full.items():
        if name.endswith(".md") and name != "README.md":
            rest, section = split(content.decode())
            assert rest == bare[name].decode()
            mine = [figure for figure in published if f"{figure.data}.md" == name]
            assert bool(section) == bool(mine)
            if mine:
                table = read_page(section).tables[0]
                assert sorted(line[1].split(" ")[0] for line in table[1:]) == sorted(
                    str(figure.value) for figure in mine
                )


@laws
@given(boards, figures)
def test_figures_without_runs_are_counted_on_the_index(board: list[Record], published: list[Figure]) -> None:
    index = pages(board, published)["README.md"].decode()
    alone = [figure.data for figure in published if f"{figure.data}.md" not in pages(board)]
    for name in set(alone):
        assert f"{name} ({alone.count(name)})" in index
    assert ("published.toml" in read_page(index).links) == bool(alone)


@laws
@given(hostile_boards, hostile_figures, st.data())
def test_no_text_in_a_figure_shapes_its_page(
    board: list[Record], published: list[Figure], data: st.DataObject
) -> None:
    assume(board)
    home = page_name(data.draw(st.sampled_from(board)).data)
    named = tuple(record.composition for record in board)
    moved = [msgspec.structs.replace(one, data=home, comparable_with=named) for one in published]
    page = read_page(pages(board, moved)[f"{home}.md"].decode())
    assert page.kinds <= OURS
    assert page.html == [MARK + "\n"]
    assert page.links == ["README.md", "published.toml"]
    table = page.tables[page.headings[1:].index("Published, not ranked") // 2]
    assert [line[0].split() for line in table[1:]] == [
        visible(one.method).split() for one in sorted(moved, key=order)
    ]
    assert all(len(line) == len(table[0]) for table in page.tables for line in table)


def order(figure: Figure) -> tuple[object, ...]:
    units = ["nats", "bits/dim"]
    return (units.index(figure.unit), figure.value, figure.method, figure.citation, repr(figure))


@laws
@given(boards, figures)
def test_a_verdict_follows_from_the_numbers(board: list[Record], published: list[Figure]) -> None:
    wanted = []
    for section in sections(runs_of(board)):
        data = section.protocol.data
        dims = data.channels * data.height * data.width * math.log(2)
        members = rows([section])[0]
        for row in members:
            composition = row.runs[0].record.composition
            for figure in published:
                same = composition == figure.reproduces
                if figure.data != page_name(data) or not (same or composition in figure.comparable_with):
                    continue
                error = noise(row, typical_sd(members)) * (dims if figure.unit == "nats" else 1)
                measured = row.mean["nats" if figure.unit == "nats" else "bits"]
                difference = measured - float(figure.value)
                assume(abs(abs(difference) - 2 * error) > 1e-9)
                word = (
                    "within noise" if abs(difference) < 2 * error else "above" if difference > 0 else "below"
                )
                wanted.append((word, same, figure.images is not None, str(figure.value)))
    found = []
    for name, content in pages(board, published).items():
        if name.endswith(".md") and "### Measured beside published" in content.decode():
            table = read_page(split(content.decode())[1]).tables[1]
            for line in table[1:]:
                verdict = line[-1]
                (word,) = (word for word in ("within noise", "above", "below") if word in verdict)
                images = "of its training images" in verdict
                found.append((word, "another size" not in verdict, images, line[1].split(" ")[0]))
    assert sorted(found) == sorted(wanted)


VERDICTS = {-3.0: "below", -1.5: "within noise", 1.5: "within noise", 3.0: "above"}


@laws
@given(scored, st.floats(0.01, 0.1), st.sampled_from(sorted(VERDICTS)), st.booleans())
def test_within_noise_is_within_two_standard_errors(
    record: Record, error: float, errors_away: float, binary: bool
) -> None:
    data = msgspec.structs.replace(record.data, levels=2 if binary else 17)
    dims = data.channels * data.height * data.width * math.log(2)
    nll = Estimate(nats=3 * dims, nats_se=error * dims, bits_per_dim=3.0, bits_per_dim_se=error)
    likelihood = msgspec.structs.replace(record.scores.likelihood, nll=nll)
    scores = msgspec.structs.replace(record.scores, likelihood=likelihood)
    made = msgspec.structs.replace(record, data=data, scores=scores)
    for unit, scale in (("bits/dim", 1.0), ("nats", dims)):
        figure = Figure(
            method="m",
            data=page_name(data),
            value=Decimal((3.0 - errors_away * error) * scale),
            unit=unit,
            citation="c",
            images=2 * sections(runs_of([made]))[0].protocol.images,
            reproduces=made.composition,
        )
        text = pages([made], [figure])[f"{figure.data}.md"].decode()
        (line,) = read_page(split(text)[1]).tables[1][1:]
        assert line[-1].endswith("after 50.00% of its training images")
        assert VERDICTS[errors_away] in line[-1]
        if abs(errors_away) > 2:
            said = float(line[-1].split(" ")[0])
            assert abs(said - abs(errors_away) * error * scale) <= (0.0501 if unit == "nats" else 0.000501)


@laws
@given(boards.filter(bool), st.none() | st.text("abc", min_size=1))
def test_a_figure_of_unknown_release_has_a_question_mark(board: list[Record], release: str | None) -> None:
    data = msgspec.structs.replace(board[0].data, name="imagenet32", levels=256)
    figure = Figure(
        method="m",
        data="imagenet32",
        value=Decimal("3.80"),
        unit="bits/dim",
        citation="c",
        protocol=Stated(release=release),
    )
    page = pages([msgspec.structs.replace(board[0], data=data)], [figure])["imagenet32.md"].decode()
    (line,) = read_page(split(page)[1]).tables[0][1:]
    assert line[1] == ("3.80" if release else "3.80 ?")
    assert line[3] == f"release {release or '?'}"


ONE = 'method = "m"\ndata = "digits"\nvalue = 1.0\nunit = "nats"\ncitation = "c"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("figures = 3", "array"),
        ("[[figure]]", "figure"),
        (f"[[figures]]\n{ONE}size = 3", "size"),
        (f"[[figures]]\n{ONE}protocol = {{ bounds = 'x' }}", "bounds"),
        (f"[[figures]]\n{ONE}protocol = {{ binarisation = 'x' }}", "binarisation"),
        (f"[[figures]]\n{ONE}[[", "TOML"),
        ('[[figures]]\nmethod = "m"', "data"),
        (f"[[figures]]\n{ONE.replace('nats', 'bits')}", "unit"),
        (f"[[figures]]\n{ONE.replace('1.0', 'nan')}", "finite"),
        (f"[[figures]]\n{ONE.replace('1.0', '1e9999')}", "finite"),
        (f"[[figures]]\n{ONE.replace('digits', '../x')}", "data"),
        (f"[[figures]]\n{ONE.replace('nats', 'FID')}reproduces = 'enc=mlp'", "FID"),
        ("\xff", "TOML"),
    ],
)
def test_an_unfit_file_is_one_line_and_changes_nothing(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    regenerate(tmp_path)
    before = (tmp_path / "README.md").read_bytes()
    (tmp_path / "published.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(UsageError) as refused:
        regenerate(tmp_path)
    assert "published.toml" in str(refused.value)
    assert said in str(refused.value)
    assert str(refused.value).isprintable()
    assert (tmp_path / "README.md").read_bytes() == before


def test_without_a_file_there_are_none(tmp_path: Path) -> None:
    assert read(tmp_path / "published.toml") == ()


def test_the_shipped_figures_are_of_their_recipes() -> None:
    found = read(SHIPPED)
    assert found
    assert all(figure.doubtful for figure in found if figure.data.startswith(SEVERAL_RELEASES))
    shapes = {
        "mnist-binary": ImageShape(1, 28, 28, 2),
        "cifar10": ImageShape(3, 32, 32, 256),
        "imagenet32": ImageShape(3, 32, 32, 256),
        "imagenet64": ImageShape(3, 64, 64, 256),
    }
    book = {name: recipes.read(path).compose for name, path in recipes.shipped().items()}
    for figure in found:
        if figure.reproduces is not None:
            spec = book[f"vdvae-{figure.data}"]
            assert spec is not None
            resolved = resolve(spec, registry.load(), shapes[figure.data])
            assert figure.reproduces == str(resolved.spec)
