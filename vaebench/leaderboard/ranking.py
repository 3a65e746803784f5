"""Rows and ranks: seeds of one recipe share a row, rows within noise of each other share a rank."""

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from vaebench.leaderboard.comparable import Section
from vaebench.leaderboard.identity import ScoredRun
from vaebench.records import Fid

WITHIN = 2.0
"""How many combined standard errors two rows that share a rank may differ by."""


def _of_fid(name: str) -> Callable[[ScoredRun], float | None]:
    return lambda run: getattr(run.scores.fid, name) if isinstance(run.scores.fid, Fid) else None


def _error(name: str) -> Callable[[ScoredRun], float | None]:
    """A standard error over test images; a single image has none, although early records hold 0."""
    return lambda run: None if run.scores.likelihood.images < 2 else getattr(run.scores.likelihood.nll, name)


MEASURES: dict[str, Callable[[ScoredRun], float | None]] = {
    "bits": lambda run: run.scores.likelihood.nll.bits_per_dim,
    "bits_se": _error("bits_per_dim_se"),
    "nats": lambda run: run.scores.likelihood.nll.nats,
    "nats_se": _error("nats_se"),
    "gap": lambda run: run.scores.likelihood.elbo.nats - run.scores.likelihood.nll.nats,
    "rate": lambda run: run.scores.likelihood.rate.nats,
    "distortion": lambda run: run.scores.likelihood.distortion.nats,
    "fid": _of_fid("fid"),
    "fid_extrapolated": _of_fid("fid_extrapolated"),
    "kid": _of_fid("kid"),
    "kid_se": _of_fid("kid_se"),
    "train_seconds": lambda run: run.record.budget.train_seconds,
    "fit_seconds": lambda run: run.record.fit.seconds if run.record.fit else 0.0,
    "images_per_second": lambda run: run.record.budget.images_per_second,
}


@dataclass(frozen=True, slots=True)
class Row:
    """Runs of one recipe in one section."""

    runs: tuple[ScoredRun, ...]
    """Sorted by seed; several runs of one seed are reruns."""
    seeds: int
    mean: Mapping[str, float]
    """Measure -> mean over seeds, reruns of a seed averaged first; NaN if any run lacks the measure."""
    sd: Mapping[str, float]
    """Measure -> sample standard deviation over seeds; NaN for one seed."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """A row and its rank in its section."""

    rank: int
    shared: bool
    row: Row


def rows(members: Sequence[Section]) -> list[list[Row]]:
    """The rows of each section, in no particular order."""
    groups: list[tuple[ScoredRun, ...]] = []
    owners: list[int] = []
    for number, section in enumerate(members):
        by_recipe: defaultdict[bytes, list[ScoredRun]] = defaultdict(list)
        for run in section.runs:
            by_recipe[run.recipe].append(run)
        for runs in by_recipe.values():
            groups.append(tuple(sorted(runs, key=lambda run: (run.record.seed, run.digest))))
            owners.append(number)
    result: list[list[Row]] = [[] for _ in members]
    for number, row in zip(owners, _aggregate(groups), strict=True):
        result[number].append(row)
    return result


def _aggregate(groups: Sequence[tuple[ScoredRun, ...]]) -> list[Row]:
    import numpy as np
    import pandas as pd

    runs = [(row, run) for row, members in enumerate(groups) for run in members]
    names = list(MEASURES)
    frame = pd.DataFrame(
        {name: [measure(run) for _, run in runs] for name, measure in MEASURES.items()}, dtype=float
    ).assign(row=[row for row, _ in runs], seed=[str(run.record.seed) for _, run in runs])
    incomplete = frame[names].isna().groupby(frame["row"]).any()
    # A record may hold any finite number; sums and squares of the largest are infinite and shown so.
    with np.errstate(over="ignore", invalid="ignore"):
        by_row = frame.groupby(["row", "seed"])[names].mean().groupby("row")
        means = by_row.mean().mask(incomplete).to_numpy().tolist()
        deviations = by_row.std().mask(incomplete).to_numpy().tolist()
    return [
        Row(members, seeds, dict(zip(names, mean, strict=True)), dict(zip(names, sd, strict=True)))
        for members, seeds, mean, sd in zip(groups, by_row.size().tolist(), means, deviations, strict=True)
    ]


def noise(row: Row, typical_sd: float) -> float:
    """The standard error of a row's bits/dim over test images and n seeds: √(se² + sd²/n).

    se², over images, is not divided by n, since every seed is scored on the same images. A row of one seed
    has no standard deviation of its own and takes ``typical_sd``. If the error over images is unknown, as
    with a single image, the result is ∞.
    """
    if math.isnan(row.mean["bits_se"]):
        return math.inf
    sd = row.sd["bits"] if row.seeds > 1 else typical_sd
    return math.hypot(row.mean["bits_se"], sd / math.sqrt(row.seeds))


def typical_sd(section: Sequence[Row]) -> float:
    """The median standard deviation in bits/dim over rows with several seeds; 0 if there are none."""
    return median([row.sd["bits"] for row in section if row.seeds > 1] or [0.0])


def ranked(section: Sequence[Row]) -> list[Ranked]:
    """Rank the rows of a section, best first; rows within noise of the best of a rank share it.

    Row b shares the rank whose best row is a if ``b - a <= WITHIN · √(noise(a)² + noise(b)²)`` in bits/dim.
    """
    ordered = sorted(section, key=lambda row: (row.mean["bits"], row.runs[0].recipe))
    typical = typical_sd(section)
    ranks: list[int] = []
    best = 0
    for place, row in enumerate(ordered):
        lead = ordered[best]
        combined = math.hypot(noise(lead, typical), noise(row, typical))
        if not row.mean["bits"] - lead.mean["bits"] <= WITHIN * combined:
            best = place
        ranks.append(best + 1)
    holders = Counter(ranks)
    return [Ranked(rank, holders[rank] > 1, row) for rank, row in zip(ranks, ordered, strict=True)]
