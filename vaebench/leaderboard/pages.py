"""Records to pages: a pure function of the set of records."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from vaebench.leaderboard import charts
from vaebench.leaderboard.beside import beside
from vaebench.leaderboard.columns import SAMPLES, Notes, bound, columns, spread
from vaebench.leaderboard.commands import reproducing
from vaebench.leaderboard.comparable import Section, sections
from vaebench.leaderboard.gallery import Gallery
from vaebench.leaderboard.identity import ScoredRun, digest, page_name, recipe
from vaebench.leaderboard.markdown import MISSING, code, fenced, fixed, table
from vaebench.leaderboard.provenance import Current, changed, code_of, distributions
from vaebench.leaderboard.published import FILE, Figure
from vaebench.leaderboard.ranking import Ranked, Row, ranked, rows
from vaebench.leaderboard.wording import MARK, READING, facts, told_apart
from vaebench.records import Data, Record

INDEX = "README.md"
SHOWN = 12
"""How much of a record's digest, which its file's name ends with, a page shows."""
CHARTED = 20
"""The sections of a page that have charts, the biggest."""


class Unscored(NamedTuple):
    """A record without scores: shown, not ranked."""

    digest: str
    record: Record


class Page(NamedTuple):
    """What one page shows."""

    sections: list[tuple[Section, list[Ranked]]]
    """The biggest first."""
    unscored: list[Unscored]

    @property
    def runs(self) -> int:
        """How many records it shows."""
        return sum(len(section.runs) for section, _ in self.sections) + len(self.unscored)


class PageContext(NamedTuple):
    """What pages are written from besides the records of each."""

    figures: Mapping[str, Sequence[Figure]]
    """Page -> what is published of its data."""
    current: Current
    gallery: Gallery


def pages(
    records: Sequence[Record], published: Sequence[Figure] = (), current: Current = MappingProxyType({})
) -> dict[str, bytes]:
    """File name -> content: a page per data set, an index, and the pictures that they show.

    The same bytes for any order of records and figures.

    :param current: the code of the parts that are installed
    """
    scored: defaultdict[str, list[ScoredRun]] = defaultdict(list)
    unscored: defaultdict[str, list[Unscored]] = defaultdict(list)
    for record in records:
        name, known_by = page_name(record.data), digest(record)
        if record.status == "ok" and record.scores is not None:
            scored[name].append(ScoredRun(record, record.scores, recipe(record), known_by))
        else:
            unscored[name].append(Unscored(known_by, record))
    found = [(name, section) for name, runs in scored.items() for section in sections(runs)]
    board = {name: Page([], unscored[name]) for name in sorted({*scored, *unscored})}
    for (name, section), members in zip(found, rows([section for _, section in found]), strict=True):
        board[name].sections.append((section, ranked(members)))
    figures: defaultdict[str, list[Figure]] = defaultdict(list)
    for figure in published:
        figures[figure.data].append(figure)
    context = PageContext(figures, current, Gallery())
    texts = {
        INDEX: _index(board, context),
        **{f"{name}.md": _page(name, page, context) for name, page in board.items()},
    }
    return {name: text.encode() for name, text in texts.items()} | context.gallery.files


def _index(board: dict[str, Page], context: PageContext) -> str:
    titles = ["data", "runs", "sections", "best of the biggest section", "bits/dim", "bound", SAMPLES]
    numeric = [False, True, True, False, True, False, False]
    lines = [_index_row(name, page, context.gallery) for name, page in board.items()]
    elsewhere = [
        f"{name} ({len(figures):,})" for name, figures in sorted(context.figures.items()) if name not in board
    ]
    alone = f"Published figures of data without runs here are in [{FILE}]({FILE}): {', '.join(elsewhere)}."
    return _join(
        MARK,
        "# Leaderboards",
        "Runs are ranked only with runs of the same data, split, budget and scoring protocol: other protocols"
        " are other sections of a page. Lower is better.",
        table(titles, lines, numeric) if board else "No runs yet.",
        *([alone] if elsewhere else []),
        "`vaebench submit RUN` adds the record of a run to `records/`, `vaebench leaderboard` writes these"
        " pages from the records.",
    )


def _index_row(name: str, page: Page, gallery: Gallery) -> list[str]:
    lost = f" ({len(page.unscored):,} unscored)" if page.unscored else ""
    counts = [f"[{name}]({name}.md)", f"{page.runs:,}{lost}", f"{len(page.sections):,}"]
    if not page.sections:
        return [*counts, MISSING, MISSING, MISSING, MISSING]
    entries = page.sections[0][1]
    best = entries[0].row
    tied = sum(entry.rank == 1 for entry in entries) - 1
    composition = code(best.runs[0].record.composition.replace(",", ", "))
    shown = gallery.of(best.runs)
    return [
        *counts,
        composition + (f" and {tied:,} more within noise" if tied else ""),
        spread(best, "bits", "bits_se", 4),
        bound(best),
        (shown and shown.markdown("samples")) or MISSING,
    ]


def _page(name: str, page: Page, context: PageContext) -> str:
    phrases = [facts(section.protocol) for section, _ in page.sections]
    shared = [len(set(said)) == 1 for said in zip(*phrases, strict=True)]
    common = [f"- {said}" for said, same in zip(phrases[0], shared, strict=True) if same] if phrases else []
    unscored: defaultdict[tuple[Data, bytes], list[Record]] = defaultdict(list)
    for _, record in page.unscored:
        unscored[record.data, recipe(record)].append(record)
    blocks = [MARK, f"# {name}", "[All leaderboards](README.md)"]
    if common:
        blocks += ["Shared by all that is ranked here:", "\n".join(common)]
    for place, ((section, entries), said) in enumerate(zip(page.sections, phrases, strict=True)):
        own = [phrase for phrase, same in zip(said, shared, strict=True) if not same]
        drawn = charts.charts(section, entries) if place < CHARTED else []
        context.gallery.files |= charts.files(drawn)
        blocks += [f"## {', '.join(own) or 'Ranking'}", *_section(section, entries, unscored, context, drawn)]
    blocks += beside(context.figures.get(name, ()), page.sections)
    if page.unscored:
        blocks += _unscored(page.unscored, context.current)
    return _join(*blocks, READING)


def _section(
    section: Section,
    entries: list[Ranked],
    unscored: Mapping[tuple[Data, bytes], list[Record]],
    context: PageContext,
    drawn: Sequence[charts.Chart],
) -> list[str]:
    """Baseline, table, footnotes, charts, and for each row its code, commands and pictures."""
    notes = Notes()
    shown = columns(section, notes, told_apart(entries), unscored, context.gallery, context.current)
    cells = [
        [*(column.cell(entry) for column in shown), f"{number}"] for number, entry in enumerate(entries, 1)
    ]
    titles = [*(column.title for column in shown), "command"]
    numeric = [*(column.numeric for column in shown), True]
    commands = [_command(number, entry.row, context.gallery) for number, entry in enumerate(entries, 1)]
    footnotes = ["\n".join(notes.lines())] if notes.numbers else []
    lead = [_baseline(section), table(titles, cells, numeric), *footnotes]
    return [*lead, *charts.blocks(drawn), "### Commands", *commands]


def _baseline(section: Section) -> str:
    taken = [run.scores.histogram_bits_per_dim for run in section.runs]
    ends = dict.fromkeys(fixed(end, 4) for end in (min(taken), max(taken)))
    return f"Baseline, a histogram per pixel: {' to '.join(ends)} bits/dim."


def _command(number: int, row: Row, gallery: Gallery) -> str:
    runs = ", ".join(f"seed {run.record.seed} ({run.digest[:SHOWN]})" for run in row.runs)
    shown = gallery.of(row.runs)
    pictures = [shown.markdown(kind) for kind in shown.files] if shown else []
    return _item(
        number,
        row.runs[0].record,
        runs,
        [reproducing(run.record) for run in row.runs],
        "\n".join(filter(None, pictures)),
    )


def _item(number: int, record: Record, runs: str, commands: Sequence[str], pictures: str = "") -> str:
    """An item of a numbered list, what follows its first line indented to stay inside it."""
    lead = f"{number}. "
    inside = " " * len(lead)
    known = code_of(record)
    parts = f"{inside}Code: {known}" if known else ""
    block = fenced(list(dict.fromkeys(commands)), inside)
    below = "\n".join(f"{inside}{line}" for line in pictures.splitlines())
    return "\n\n".join(
        filter(None, [f"{lead}Composition {code(record.composition)}: {runs}", parts, block, below])
    )


def _unscored(unscored: Sequence[Unscored], current: Current) -> list[str]:
    """The runs that diverged, unranked."""
    ordered = sorted(unscored, key=lambda one: (one.record.composition, one.record.seed, one.digest))
    titles = ["composition", "seed", "status", "images seen", "steps", "parameters", "parts from", "command"]
    cells = [
        [
            code(record.composition.replace(",", ", ")),
            f"{record.seed}",
            ("diverged" if record.status == "diverged" else "not scored")
            + (", stale" if changed(record, current) else ""),
            f"{record.budget.images:,}",
            f"{record.budget.steps:,}",
            f"{record.budget.parameters:,}",
            distributions(record),
            f"{number}",
        ]
        for number, (_, record) in enumerate(ordered, 1)
    ]
    commands = [
        _item(number, record, f"seed {record.seed} ({known_by[:SHOWN]})", [reproducing(record)])
        for number, (known_by, record) in enumerate(ordered, 1)
    ]
    numeric = [False, True, False, True, True, True, False, True]
    return ["## Diverged", table(titles, cells, numeric), "### Commands", *commands]


def _join(*blocks: str) -> str:
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"
