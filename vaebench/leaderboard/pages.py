"""Records to pages: a pure function of the set of records."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from vaebench.leaderboard.columns import Notes, bound, columns, packages, spread
from vaebench.leaderboard.comparable import Section, sections
from vaebench.leaderboard.identity import Run, digest, page_name, recipe
from vaebench.leaderboard.markdown import MISSING, code, fenced, fixed, plain, table
from vaebench.leaderboard.ranking import Ranked, Row, ranked, rows
from vaebench.leaderboard.wording import MARK, READING, facts, told_apart
from vaebench.records import Data, Record

INDEX = "README.md"
SHOWN = 12
"""How much of a record's digest, which its file's name ends with, a page shows."""


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


def pages(records: Sequence[Record]) -> dict[str, str]:
    """File name -> markdown: a page per data set and an index; the same bytes for any order of records."""
    scored: defaultdict[str, list[Run]] = defaultdict(list)
    unscored: defaultdict[str, list[Unscored]] = defaultdict(list)
    for record in records:
        name, known_by = page_name(record.data), digest(record)
        if record.status == "ok" and record.scores is not None:
            scored[name].append(Run(record, record.scores, recipe(record), known_by))
        else:
            unscored[name].append(Unscored(known_by, record))
    found = [(name, section) for name, runs in scored.items() for section in sections(runs)]
    board = {name: Page([], unscored[name]) for name in sorted({*scored, *unscored})}
    for (name, section), members in zip(found, rows([section for _, section in found]), strict=True):
        board[name].sections.append((section, ranked(members)))
    return {INDEX: _index(board), **{f"{name}.md": _page(name, page) for name, page in board.items()}}


def _index(board: dict[str, Page]) -> str:
    titles = ["data", "runs", "sections", "best of the biggest section", "bits/dim", "bound"]
    numeric = [False, True, True, False, True, False]
    return _join(
        MARK,
        "# Leaderboards",
        "Runs are ranked only with runs of the same data, split, budget and scoring protocol: other protocols"
        " are other sections of a page. Lower is better.",
        table(titles, [_index_row(*item) for item in board.items()], numeric) if board else "No runs yet.",
        "`vaebench submit RUN` adds the record of a run to `records/`, `vaebench leaderboard` writes these"
        " pages from the records.",
    )


def _index_row(name: str, page: Page) -> list[str]:
    lost = f" ({len(page.unscored):,} unscored)" if page.unscored else ""
    counts = [f"[{name}]({name}.md)", f"{page.runs:,}{lost}", f"{len(page.sections):,}"]
    if not page.sections:
        return [*counts, MISSING, MISSING, MISSING]
    entries = page.sections[0][1]
    best = entries[0].row
    tied = sum(entry.rank == 1 for entry in entries) - 1
    composition = code(best.runs[0].record.composition) + (f" and {tied:,} more within noise" if tied else "")
    return [*counts, composition, spread(best, "bits", "bits_se", 4), bound(best)]


def _page(name: str, page: Page) -> str:
    phrases = [facts(section.protocol) for section, _ in page.sections]
    shared = [len(set(said)) == 1 for said in zip(*phrases, strict=True)]
    common = [f"- {said}" for said, same in zip(phrases[0], shared, strict=True) if same] if phrases else []
    unscored: defaultdict[tuple[Data, bytes], list[Record]] = defaultdict(list)
    for _, record in page.unscored:
        unscored[record.data, recipe(record)].append(record)
    blocks = [MARK, f"# {name}", "[All leaderboards](README.md)"]
    if common:
        blocks += ["Shared by all that is ranked here:", "\n".join(common)]
    for (section, entries), said in zip(page.sections, phrases, strict=True):
        own = [phrase for phrase, same in zip(said, shared, strict=True) if not same]
        blocks += [f"## {', '.join(own) or 'Ranking'}", *_section(section, entries, unscored)]
    if page.unscored:
        blocks += _unscored(page.unscored)
    return _join(*blocks, READING)


def _section(
    section: Section, entries: list[Ranked], unscored: Mapping[tuple[Data, bytes], list[Record]]
) -> list[str]:
    """Baseline, table, footnotes and commands."""
    notes = Notes()
    shown = columns(section, notes, told_apart(entries), unscored)
    cells = [
        [*(column.cell(entry) for column in shown), f"{number}"] for number, entry in enumerate(entries, 1)
    ]
    titles = [*(column.title for column in shown), "command"]
    numeric = [*(column.numeric for column in shown), True]
    commands = [_command(number, entry.row) for number, entry in enumerate(entries, 1)]
    footnotes = ["\n".join(notes.lines())] if notes.numbers else []
    return [_baseline(section), table(titles, cells, numeric), *footnotes, "### Commands", *commands]


def _baseline(section: Section) -> str:
    taken = [run.scores.histogram_bits_per_dim for run in section.runs]
    ends = dict.fromkeys(fixed(end, 4) for end in (min(taken), max(taken)))
    return f"Baseline, a histogram per pixel: {' to '.join(ends)} bits/dim."


def _command(number: int, row: Row) -> str:
    runs = ", ".join(f"seed {run.record.seed} ({run.digest[:SHOWN]})" for run in row.runs)
    return _item(number, row.runs[0].record.composition, runs, [run.record.command for run in row.runs])


def _item(number: int, composition: str, runs: str, commands: Sequence[str]) -> str:
    """An item of a numbered list, its code block indented to stay inside it."""
    lead = f"{number}. "
    block = fenced(list(dict.fromkeys(commands)), " " * len(lead))
    return f"{lead}Composition {code(composition)}: {runs}\n\n{block}"


def _unscored(unscored: Sequence[Unscored]) -> list[str]:
    """The runs that diverged, unranked."""
    ordered = sorted(unscored, key=lambda one: (one.record.composition, one.record.seed, one.digest))
    titles = ["composition", "seed", "status", "images seen", "steps", "parameters", "packages", "command"]
    cells = [
        [
            code(record.composition),
            f"{record.seed}",
            "diverged" if record.status == "diverged" else "not scored",
            f"{record.budget.images:,}",
            f"{record.budget.steps:,}",
            f"{record.budget.parameters:,}",
            plain(packages(record)),
            f"{number}",
        ]
        for number, (_, record) in enumerate(ordered, 1)
    ]
    commands = [
        _item(number, record.composition, f"seed {record.seed} ({known_by[:SHOWN]})", [record.command])
        for number, (known_by, record) in enumerate(ordered, 1)
    ]
    numeric = [False, True, False, True, True, True, False, True]
    return ["## Diverged", table(titles, cells, numeric), "### Commands", *commands]


def _join(*blocks: str) -> str:
    return "\n\n".join(block.strip("\n") for block in blocks) + "\n"
