"""The columns of a section's table."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from vaebench.leaderboard.comparable import Section
from vaebench.leaderboard.gallery import Gallery
from vaebench.leaderboard.identity import ScoredRun
from vaebench.leaderboard.markdown import MISSING, code, fixed, plain, superscript
from vaebench.leaderboard.provenance import Current, changed, distributions
from vaebench.leaderboard.ranking import Ranked, Row
from vaebench.records import Data, Fid, Missing, Record

SAMPLES = "samples of the first seed".replace(" ", "\N{NO-BREAK SPACE}")
"""A title that does not wrap: GitHub shrinks the pictures of a wide table to the width of their column."""
ONE_IMAGE = "one test image gives no standard error, so this row shares its rank with every other row"
STALE = "the code has changed since this row was measured: "


@dataclass(slots=True)
class Notes:
    """The footnotes of a table, numbered in the order of their first use."""

    numbers: dict[str, int] = field(default_factory=dict)

    def mark(self, note: str) -> str:
        """The superscript number of a note, which is added if it is new."""
        return superscript(self.numbers.setdefault(note, len(self.numbers) + 1))

    def lines(self) -> list[str]:
        """The notes as list items."""
        return [f"- {superscript(number)} {note}" for note, number in self.numbers.items()]


class Column(NamedTuple):
    """The title of a column, its cells, and whether they are numbers."""

    title: str
    cell: Callable[[Ranked], str]
    numeric: bool = True


def columns(
    section: Section,
    notes: Notes,
    apart: Mapping[bytes, str],
    unscored: Mapping[tuple[Data, bytes], list[Record]],
    gallery: Gallery,
    current: Current,
) -> list[Column]:
    """The columns of a section's table, except for the last, the number of the row's command.

    :param apart: recipe -> what distinguishes a row from others of the same composition
    :param unscored: data and recipe -> the runs of that recipe that have no scores
    :param current: hashes of the installed code
    """
    protocol = section.protocol

    def composition(entry: Ranked) -> str:
        run = entry.row.runs[0]
        lost = unscored.get((run.record.data, run.recipe))
        mark = notes.mark(_lost(lost)) if lost else ""
        words = apart.get(run.recipe)
        # A canonical composition has no space where a line could break.
        name = code(run.record.composition.replace(",", ", "))
        return name + mark + (f" ({words})" if words else "") + _stale(run.record, current, notes)

    def fid(entry: Ranked) -> str:
        return _measured(entry.row, "fid", 2, notes) + _few_images(entry.row, notes)

    def error_note(entry: Ranked) -> str:
        return notes.mark(ONE_IMAGE) if math.isnan(entry.row.mean["bits_se"]) else ""

    bits = Column(
        "bits/dim", lambda entry: mean_and_error(entry.row, "bits", "bits_se", 4) + error_note(entry)
    )
    nats = Column("nats", lambda entry: mean_and_error(entry.row, "nats", "nats_se", 2))
    samples = Column(SAMPLES, lambda entry: _samples(entry.row, gallery, notes), numeric=False)
    at = "" if protocol.fid is None else f" at {protocol.fid.images:,}"
    shown = [
        Column("rank", lambda entry: f"{entry.rank}{'=' if entry.shared else ''}"),
        Column("composition", composition, numeric=False),
        *((nats, bits) if protocol.data.levels == 2 else (bits,)),
        *([samples] if any(run.record.pictures for run in section.runs) else []),
        Column("bound", lambda entry: bound(entry.row), numeric=False),
        Column("gap (nats)", lambda entry: fixed(entry.row.mean["gap"], 2)),
        Column("rate / distortion (nats)", lambda entry: _rate_distortion(entry.row)),
        Column(f"FID{at}", fid),
        Column("FID → ∞", lambda entry: _measured(entry.row, "fid_extrapolated", 2, notes)),
        Column("KID", lambda entry: _kid(entry.row, notes)),
        Column("parameters", lambda entry: f"{entry.row.runs[0].record.budget.parameters:,}"),
        Column("training (s)", lambda entry: fixed(entry.row.mean["train_seconds"], 0)),
        Column("images/s", lambda entry: fixed(entry.row.mean["images_per_second"], 0)),
    ]
    if any(run.record.fit for run in section.runs):
        shown.append(Column("prior fit (s)", lambda entry: fixed(entry.row.mean["fit_seconds"], 0)))
    shown.append(
        Column("components from", lambda entry: distributions(entry.row.runs[0].record), numeric=False)
    )
    return shown


def _stale(record: Record, current: Current, notes: Notes) -> str:
    parts = changed(record, current)
    return f" stale{notes.mark(STALE + plain(', '.join(parts)))}" if parts else ""


def _samples(row: Row, gallery: Gallery, notes: Notes) -> str:
    shown = gallery.of(row.runs)
    if shown is None:
        return MISSING
    marks = "".join(notes.mark(f"{kind} not shown: not a valid PNG") for kind in shown.refused)
    return (shown.markdown("samples") or MISSING) + marks


def mean_and_error(row: Row, name: str, error: str, digits: int) -> str:
    """Mean ± standard deviation over seeds, or ± standard error over images if there is one seed."""
    if row.seeds == 1 and math.isnan(row.mean[error]):
        return f"{fixed(row.mean[name], digits)}, error unknown (n=1)"
    width, kind = (row.sd[name], "sd") if row.seeds > 1 else (row.mean[error], "se")
    return f"{fixed(row.mean[name], digits)} ± {fixed(width, digits)} {kind} (n={row.seeds})"


def bound(row: Row) -> str:
    """The bound that was scored, its K, and a remark if the prior's density is estimated."""
    likelihoods = [run.scores.likelihood for run in row.runs]
    kinds = sorted({f"IW-{each.samples}" if each.bound == "iwae" else each.bound for each in likelihoods})
    estimated = [] if all(each.exact_prior for each in likelihoods) else ["prior estimated"]
    return ", ".join(kinds + estimated)


def _rate_distortion(row: Row) -> str:
    return f"{fixed(row.mean['rate'], 2)} / {fixed(row.mean['distortion'], 2)}"


def _measured(row: Row, name: str, digits: int, notes: Notes) -> str:
    if math.isnan(row.mean[name]):
        return MISSING + "".join(notes.mark(why) for why in _reasons(row))
    return fixed(row.mean[name], digits) + (f" ± {fixed(row.sd[name], digits)}" if row.seeds > 1 else "")


def _kid(row: Row, notes: Notes) -> str:
    cell = _measured(row, "kid", 5, notes)
    if row.seeds > 1 or math.isnan(row.mean["kid"]):
        return cell
    error = row.mean["kid_se"]
    return f"{cell}, error unknown" if math.isnan(error) else f"{cell} ± {fixed(error, 5)}"


def _reasons(row: Row) -> list[str]:
    """Why a row has no FID: one note per reason."""
    seeds: dict[str, list[ScoredRun]] = {}
    for run in row.runs:
        if isinstance(run.scores.fid, Missing):
            seeds.setdefault(run.scores.fid.why, []).append(run)
    return [
        f"no FID{'' if len(runs) == len(row.runs) else ' for ' + _seeds([run.record for run in runs])}: "
        f"{plain(why)}"
        for why, runs in sorted(seeds.items())
    ]


def _few_images(row: Row, notes: Notes) -> str:
    few = any(isinstance(run.scores.fid, Fid) and run.scores.fid.few_images for run in row.runs)
    note = "no more images than features: the covariance is singular, and FID is far too large"
    return notes.mark(note) if few and not math.isnan(row.mean["fid"]) else ""


def _lost(records: list[Record]) -> str:
    return f"{_seeds(records)} of this composition has no scores: see below"


def _seeds(records: list[Record]) -> str:
    seeds = sorted({record.seed for record in records})
    return f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
