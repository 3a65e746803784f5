"""What a board's tables must show of records: rows, ranks and cells by hand."""

import math
import re
import statistics
from pathlib import Path
from typing import Any, NamedTuple

Record = dict[str, Any]
DIGITS = (("grey", "grey-again"), ("coded",), ("hierarchical",))
"""The runs of each row of the digits' section."""


class Row(NamedTuple):
    """Runs that differ in their seed alone."""

    records: list[Record]

    def values(self, *path: str) -> list[float]:
        found = []
        for record in self.records:
            value: Any = record
            for name in path:
                value = value[name]
            found.append(value)
        return found

    def mean(self, *path: str) -> float:
        return statistics.fmean(self.values(*path))

    def nll(self, what: str = "bits_per_dim") -> float:
        return self.mean("scores", "likelihood", "nll", what)

    def spread(self) -> float | None:
        values = self.values("scores", "likelihood", "nll", "bits_per_dim")
        return statistics.stdev(values) if len(values) > 1 else None

    @property
    def seconds(self) -> float:
        fits = [record["fit"]["seconds"] if record.get("fit") else 0.0 for record in self.records]
        return self.mean("budget", "train_seconds") + statistics.fmean(fits)


def noise(row: Row, rows: list[Row]) -> float:
    """√(se² + sd²/n); a single seed takes the median sd of the rows that have one."""
    known = [each.spread() for each in rows if each.spread() is not None]
    spread = row.spread()
    if spread is None:
        spread = statistics.median(known) if known else 0.0  # type: ignore[type-var]
    return math.sqrt(row.nll("bits_per_dim_se") ** 2 + spread**2 / len(row.records))


def ranks(rows: list[Row]) -> list[str]:
    found: list[int] = []
    lead = 0
    for place, row in enumerate(rows):
        combined = math.sqrt(noise(row, rows) ** 2 + noise(rows[lead], rows) ** 2)
        lead = place if row.nll() - rows[lead].nll() > 2 * combined else lead
        found.append(lead + 1)
    return [f"{rank}{'=' if found.count(rank) > 1 else ''}" for rank in found]


def table(page: str) -> list[dict[str, str]]:
    """The first table of a page: each row by its titles."""
    lines = [
        line for line in page.split("\n## ")[1 if "\n## " in page else 0].splitlines() if line[:1] == "|"
    ]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[2:]]


def cells(row: Row, rank: str, place: int, fitted: bool) -> dict[str, str]:
    """What a row's columns show."""
    scores, several = ("scores", "likelihood"), len(row.records) > 1
    fids = {name: row.values("scores", "fid", name) for name in ("fid", "fid_extrapolated", "kid")}
    first = row.records[0]["scores"]["likelihood"]

    def measured(name: str, digits: int) -> str:
        values = fids[name]
        wide = f" ± {statistics.stdev(values):,.{digits}f}" if several else ""
        return f"{statistics.fmean(values):,.{digits}f}{wide}"

    def estimated(what: str, digits: int) -> str:
        values = row.values(*scores, "nll", what)
        width = statistics.stdev(values) if several else row.nll(f"{what}_se")
        kind = "sd" if several else "se"
        return f"{statistics.fmean(values):,.{digits}f} ± {width:,.{digits}f} {kind} (n={len(values)})"

    gap = row.mean(*scores, "elbo", "nats") - row.nll("nats")
    rate, distortion = row.mean(*scores, "rate", "nats"), row.mean(*scores, "distortion", "nats")
    alone = f" ± {row.mean('scores', 'fid', 'kid_se'):.5f}"
    shown = {
        "rank": rank,
        "bits/dim": estimated("bits_per_dim", 4),
        "bound": f"IW-{first['samples']}" if first["bound"] == "iwae" else first["bound"],
        "gap (nats)": f"{gap:z,.2f}",
        "rate / distortion (nats)": f"{rate:,.2f} / {distortion:,.2f}",
        "FID at 210": measured("fid", 2),
        "FID → ∞": measured("fid_extrapolated", 2),
        "KID": measured("kid", 5) + ("" if several else alone),
        "parameters": f"{row.records[0]['budget']['parameters']:,}",
        "training (s)": f"{row.mean('budget', 'train_seconds'):,.0f}",
        "images/s": f"{row.mean('budget', 'images_per_second'):,.0f}",
        "command": f"{place}",
    }
    if fitted:
        shown["prior fit (s)"] = f"{row.seconds - row.mean('budget', 'train_seconds'):,.0f}"
    if row.records[0]["data"]["levels"] == 2:
        shown["nats"] = estimated("nats", 2)
    return shown


def page_of(board: Path, row: Row) -> str:
    data = row.records[0]["data"]
    name = re.sub("[^a-z0-9]+", "-", data["name"].lower())
    return (board / f"{name}{'-binary' if data['levels'] == 2 else ''}.md").read_text()
