"""The pages of the leaderboard, a pure function of the set of records."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from vaebench.leaderboard import charts
from vaebench.leaderboard.beside import beside
from vaebench.leaderboard.columns import SAMPLES, Notes, bound, columns, mean_and_error
from vaebench.leaderboard.commands import reproducing
from vaebench.leaderboard.comparable import Section, sections
from vaebench.leaderboard.gallery import Gallery
from vaebench.leaderboard.identity import ScoredRun, digest, page_name, recipe
from vaebench.leaderboard.markdown import MISSING, code, fenced, fixed, plain, table
from vaebench.leaderboard.provenance import Current, changed, code_of, distributions, unregistered
from vaebench.leaderboard.published import FILE, Figure
from vaebench.leaderboard.ranking import Ranked, Row, ranked, rows
from vaebench.leaderboard.wording import MARK, READING, facts, told_apart
from vaebench.records import Data, Record

INDEX = "README.md"
SHOWN = 12
"""Digits of a record's digest that a page shows; the name of the record's file ends with the digest."""
CHARTED = 20
"""How many sections of a page have charts, the largest ones."""


class Unscored(NamedTuple):
    """A record without scores, which is shown but not ranked."""

    digest: str
    record: Record


class Page(NamedTuple):
    """The content of one page."""

    sections: list[tuple[Section, list[Ranked]]]
    """The largest first."""
    unscored: list[Unscored]

    @property
    def runs(self) -> int:
        """How many records the page shows."""
        return sum(len(section.runs) for section, _ in self.sections) + len(self.unscored)


class PageContext(NamedTuple):
    """What all pages share: published figures, hashes of installed code, and the collected pictures."""

    figures: Mapping[str, Sequence[Figure]]
    """Page -> published figures for its data."""
    current: Current
    gallery: Gallery


def pages(
    records: Sequence[Record], published: Sequence[Figure] = (), current: Current = MappingProxyType({})
) -> dict[str, bytes]:
    """Render a page per data set, an index, and their pictures: file name -> content.

    The bytes are the same for any order of records and figures.

    :param current: hashes of the code of the installed components
    """
    shown = board(records)
    figures: defaultdict[str, list[Figure]] = defaultdict(list)
    for figure in published:
        figures[figure.data].append(figure)
    context = PageContext(figures, current, Gallery())
    texts = {
        INDEX: _index(shown, context),
        **{f"{name}.md": _page(name, page, context) for name, page in shown.items()},
    }
    return {name: text.encode() for name, text in texts.items()} | context.gallery.files


def board(records: Sequence[Record]) -> dict[str, Page]:
    """Sort records into pages: page -> its sections, the largest first, and the runs that are not ranked.

    A record with an unregistered component or data set is never ranked: nobody else can repeat its run.
    """
    scored: defaultdict[str, list[ScoredRun]] = defaultdict(list)
    unscored: defaultdict[str, list[Unscored]] = defaultdict(list)
    for record in records:
        name, record_digest = page_name(record.data), digest(record)
        if record.status == "ok" and record.scores is not None and not unregistered(record):
            scored[name].append(ScoredRun(record, record.scores, recipe(record), record_digest))
        else:
            unscored[name].append(Unscored(record_digest, record))
    named = [(name, section) for name, runs in scored.items() for section in sections(runs)]
    pages = {name: Page([], unscored[name]) for name in sorted({*scored, *unscored})}
    for (name, section), members in zip(named, rows([section for _, section in named]), strict=True):
        pages[name].sections.append((section, ranked(members)))
    return pages


def _index(board: dict[str, Page], context: PageContext) -> str:
    titles = ["data", "runs", "sections", "best of the largest section", "bits/dim", "bound", SAMPLES]
    numeric = [False, True, True, False, True, False, False]
    lines = [_index_row(name, page, context.gallery) for name, page in board.items()]
    elsewhere = [
        f"{name} ({len(figures):,})" for name, figures in sorted(context.figures.items()) if name not in board
    ]
    alone = f"Published figures for data without runs here are in [{FILE}]({FILE}): {', '.join(elsewhere)}."
    return _join(
        MARK,
        "# Leaderboards",
        "A run is ranked only against runs with the same data, split, budget and scoring protocol; each"
        " protocol has a section of its own. Lower is better.",
        table(titles, lines, numeric) if board else "No runs yet.",
        *([alone] if elsewhere else []),
        "`vaebench submit RUN` adds the record of a run to `records/`; `vaebench leaderboard` writes these"
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
        mean_and_error(best, "bits", "bits_se", 4),
        bound(best),
        (shown and shown.markdown("samples")) or MISSING,
    ]


def _page(name: str, page: Page, context: PageContext) -> str:
    phrases = [facts(section.protocol) for section, _ in page.sections]
    shared = [len(set(alternatives)) == 1 for alternatives in zip(*phrases, strict=True)]
    first = phrases[0] if phrases else ()
    common = [f"- {phrase}" for phrase, same in zip(first, shared, strict=False) if same]
    unscored: defaultdict[tuple[Data, bytes], list[Record]] = defaultdict(list)
    for _, record in page.unscored:
        unscored[record.data, recipe(record)].append(record)
    blocks = [MARK, f"# {name}", "[All leaderboards](README.md)"]
    if common:
        blocks += ["All ranked runs on this page share:", "\n".join(common)]
    for place, ((section, entries), own_phrases) in enumerate(zip(page.sections, phrases, strict=True)):
        own = [phrase for phrase, same in zip(own_phrases, shared, strict=True) if not same]
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
    """Baseline, table, footnotes and charts, then the code, commands and pictures of each row."""
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
    """An item of a numbered list; all lines after its first are indented so that they stay inside it."""
    lead = f"{number}. "
    inside = " " * len(lead)
    code_hashes = code_of(record)
    parts = f"{inside}Code: {code_hashes}" if code_hashes else ""
    block = fenced(list(dict.fromkeys(commands)), inside)
    below = "\n".join(f"{inside}{line}" for line in pictures.splitlines())
    return "\n\n".join(
        filter(None, [f"{lead}Composition {code(record.composition)}: {runs}", parts, block, below])
    )


def _unscored(unscored: Sequence[Unscored], current: Current) -> list[str]:
    """The runs that have no rank: they diverged, were not scored, or use an unregistered component."""
    ordered = sorted(unscored, key=lambda run: (run.record.composition, run.record.seed, run.digest))
    titles = [
        "composition",
        "seed",
        "status",
        "images seen",
        "steps",
        "parameters",
        "components from",
        "command",
    ]
    cells = [
        [
            code(record.composition.replace(",", ", ")),
            f"{record.seed}",
            _status(record) + (", stale" if changed(record, current) else ""),
            f"{record.budget.images:,}",
            f"{record.budget.steps:,}",
            f"{record.budget.parameters:,}",
            distributions(record),
            f"{number}",
        ]
        for number, (_, record) in enumerate(ordered, 1)
    ]
    commands = [
        _item(number, record, f"seed {record.seed} ({record_digest[:SHOWN]})", [reproducing(record)])
        for number, (record_digest, record) in enumerate(ordered, 1)
    ]
    numeric = [False, True, False, True, True, True, False, True]
    lost = all(record.status == "diverged" for _, record in ordered)
    return [
        "## Diverged" if lost else "## Not ranked",
        table(titles, cells, numeric),
        "### Commands",
        *commands,
    ]


def _status(record: Record) -> str:
    """Why a record is not ranked."""
    if record.status == "diverged":
        return "diverged"
    return f"not registered: {plain(', '.join(unregistered(record)))}" if record.scores else "not scored"


def _join(*blocks: str) -> str:
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"
