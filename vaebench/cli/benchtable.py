"""The table of a track's runs: live on a terminal, a line for each run elsewhere; on stderr."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from vaebench.bench.children import Status
from vaebench.bench.clock import Clock
from vaebench.bench.work import Work
from vaebench.requests.tracks import label

_STYLES = {"done": "green", "skipped": "green", "running": "cyan", "failed": "red", "diverged": "red"}
_AROUND = 6


def clock_time(seconds: float | None) -> str:
    """``1:02:03`` or ``2:03``; ``-`` where nothing is known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bits(status: Status) -> str:
    """The bits/dim of a run that has scores."""
    scores = status.record.scores if status.record else None
    return f"{scores.likelihood.nll.bits_per_dim:.4f}" if scores else ""


def name(status: Status, work: Work) -> str:
    """What an entry changes of its track's base, and whether it was added."""
    said = label(status.run.entry, work.plan.track)
    return f"{said} (added)" if status.run.added else said


def doing(status: Status) -> str:
    """How far a run is, or why it failed."""
    if status.state == "running":
        share = f" {status.at / status.of:.0%}" if status.of and status.at else ""
        return f"{status.phase}{share}"
    return status.line if status.state == "failed" else ""


def line(status: Status, work: Work) -> str:
    """A run that has ended, in one line."""
    words = [status.state, name(status, work), f"seed {status.run.request.seed}"]
    words += [f"{bits(status)} bits/dim"] if bits(status) else []
    words += [clock_time(status.seconds)] if status.seconds else []
    words += [status.line] if status.state == "failed" else []
    return "  ".join(words)


def table(work: Work, jobs: int, height: int) -> RenderableType:
    """The runs around the first that has not ended, as many as fit, and what is left in all."""
    clock = Clock(work.statuses)
    grid = Table(box=None, pad_edge=False, expand=True)
    grid.add_column("entry", no_wrap=True, overflow="ellipsis", ratio=1)
    for heading in ("seed", "state", "", "bits/dim", "spent", "left"):
        grid.add_column(heading, justify="left" if heading in ("state", "") else "right", no_wrap=True)
    for status in _window(work.statuses, max(3, height - _AROUND)):
        left = clock.left(status) if status.state in ("missing", "running") else None
        grid.add_row(
            Text(name(status, work)),
            str(status.run.request.seed),
            Text(status.state, style=_STYLES.get(status.state, "dim")),
            Text(doing(status)[:40]),
            bits(status),
            clock_time(status.spent) if status.spent else "",
            clock_time(left) if status.state in ("missing", "running") else "",
        )
    counts = Counter(status.state for status in work.statuses)
    said = ", ".join(f"{count} {state}" for state, count in counts.items())
    total = clock_time(clock.total(work.statuses, jobs))
    return Group(grid, Text(f"{len(work.statuses)} runs: {said}; time left {total}"))


def _window(statuses: Sequence[Status], rows: int) -> Sequence[Status]:
    first = next((i for i, s in enumerate(statuses) if s.state in ("running", "missing")), len(statuses))
    start = max(0, min(first - rows // 2, len(statuses) - rows))
    return statuses[start : start + rows]


class Display:
    """Shows a track being worked on."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.console = Console(stderr=True)
        self.live = (
            Live(
                get_renderable=lambda: table(work, work.jobs, self.console.height),
                console=self.console,
                refresh_per_second=2,
            )
            if self.console.is_terminal
            else None
        )

    def __enter__(self) -> Self:
        if self.live:
            self.live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.live:
            self.live.stop()

    def ended(self, status: Status) -> None:
        """Say how a run ended, where no table shows it; a failure in either case."""
        if self.live is None or status.state == "failed":
            said = line(status, self.work)
            self.console.print(said, markup=False, highlight=False, soft_wrap=True)


def estimates(work: Work) -> list[dict[str, Any]]:
    """Seconds of a run of each entry that is not complete; what is being timed is shown meanwhile."""
    from vaebench import registry
    from vaebench.bench.estimate import estimate, importing

    known, imported = registry.load(), importing()
    first = {repr(status.run.entry): status for status in reversed(work.missing)}
    rows = []
    with Console(stderr=True).status("timing") as shown:
        for key, status in reversed(first.items()):
            shown.update(f"timing {escape(name(status, work))}")
            found = estimate(status.run, known, imported)
            runs = sum(repr(other.run.entry) == key for other in work.missing)
            rows.append({"entry": name(status, work), "runs": runs, **asdict(found), "total": found.total})
    return rows
