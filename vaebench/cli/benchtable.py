"""The progress of a track on stderr: a live table on a terminal, one line per ended run elsewhere."""

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
    """Format seconds as ``1:02:03`` or ``2:03``; ``-`` where they are unknown."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def bits(status: Status) -> str:
    """Return the bits/dim of a run, or nothing where it has no scores."""
    scores = status.record.scores if status.record else None
    return f"{scores.likelihood.nll.bits_per_dim:.4f}" if scores else ""


def name(status: Status, work: Work) -> str:
    """Name an entry by what it changes in its track's base; mark an entry of ``--add``."""
    text = label(status.run.entry, work.plan.track)
    return f"{text} (added)" if status.run.added else text


def doing(status: Status) -> str:
    """Describe how far a run has got, or why it failed."""
    if status.state == "running":
        share = f" {status.at / status.of:.0%}" if status.of and status.at else ""
        return f"{status.phase}{share}"
    return status.line if status.state == "failed" else ""


def line(status: Status, work: Work) -> str:
    """Describe a run that has ended in one line."""
    words = [status.state, name(status, work), f"seed {status.run.request.seed}"]
    words += [f"{bits(status)} bits/dim"] if bits(status) else []
    words += [clock_time(status.seconds)] if status.seconds else []
    words += [status.line] if status.state == "failed" else []
    return "  ".join(words)


def table(work: Work, jobs: int, height: int) -> RenderableType:
    """Draw the rows around the first unfinished run, as many as fit, and the total time left."""
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
    states = ", ".join(f"{count} {state}" for state, count in counts.items())
    total = clock_time(clock.total(work.statuses, jobs))
    return Group(grid, Text(f"{len(work.statuses)} runs: {states}; time left {total}"))


def _window(statuses: Sequence[Status], rows: int) -> Sequence[Status]:
    first = next((i for i, s in enumerate(statuses) if s.state in ("running", "missing")), len(statuses))
    start = max(0, min(first - rows // 2, len(statuses) - rows))
    return statuses[start : start + rows]


class Display:
    """Shows the progress of a track while its runs are performed."""

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
        """Print how a run ended where no table shows it; print a failure in either case."""
        if self.live is None or status.state == "failed":
            text = line(status, self.work)
            self.console.print(text, markup=False, highlight=False, soft_wrap=True)


def estimates(work: Work) -> list[dict[str, Any]]:
    """Estimate the seconds of one run of each incomplete entry, and show which one is being timed."""
    from vaebench import registry
    from vaebench.bench.estimate import estimate, importing

    components, imported = registry.load(), importing()
    first = {repr(status.run.entry): status for status in reversed(work.missing)}
    rows = []
    with Console(stderr=True).status("timing") as shown:
        for key, status in reversed(first.items()):
            shown.update(f"timing {escape(name(status, work))}")
            time = estimate(status.run, components, imported)
            runs = sum(repr(other.run.entry) == key for other in work.missing)
            rows.append({"entry": name(status, work), "runs": runs, **asdict(time), "total": time.total})
    return rows
