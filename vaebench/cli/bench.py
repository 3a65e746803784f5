"""``vaebench bench``: run the missing entries of a track and update its leaderboard page."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaebench.cli.options import FOLDER, as_json_, data_root_, device_
from vaebench.errors import UsageError

if TYPE_CHECKING:
    from vaebench.bench.children import Status
    from vaebench.bench.work import Work

_BOARD = Path("leaderboards")


def _complete_track(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench.requests import tracks

    return [name for name in tracks.shipped() if name.startswith(incomplete)]


def _seeds(context: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, ...]:
    if text is None:
        return ()
    words = [word.strip() for word in text.split(",")]
    seeds = tuple(int(word) for word in words if word.isdecimal() and int(word) <= 2**62)
    if len(set(seeds)) < len(words):
        raise UsageError(f"--seeds {text}: different integers >= 0 are expected, as in 0,1,2")
    return seeds


@click.command(short_help="Run the missing entries of a track.")
@click.argument("track", shell_complete=_complete_track)
@click.option("--out", type=FOLDER, help="Folder that holds the run folders [default: runs/TRACK].")
@click.option(
    "--leaderboard",
    "board",
    type=FOLDER,
    help="Leaderboard folder: its records count as done, new records are added to it, and its pages are "
    "regenerated [default: leaderboards, if that folder exists].",
)
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="SPEC",
    help="Add an entry: the track's base composition with the slots in SPEC replaced, as in latent=mine.",
)
@click.option(
    "--only", default="", metavar="TEXT", help="Run only the entries whose composition contains TEXT."
)
@click.option("--seeds", callback=_seeds, metavar="0,1,...", help="Use these seeds instead of the track's.")
@click.option(
    "--stale",
    is_flag=True,
    help="Rerun entries whose component code has changed or is unknown.",
)
@click.option(
    "--jobs", type=click.IntRange(1), default=1, show_default=True, help="Number of runs at a time."
)
@click.option("--dry-run", is_flag=True, help="Estimate the time that the missing runs take, then stop.")
@click.option("--commands", is_flag=True, help="Print the commands of the missing runs, then stop.")
@device_
@data_root_
@as_json_
def bench(
    track: str,
    out: Path | None,
    board: Path | None,
    added: tuple[str, ...],
    only: str,
    seeds: tuple[int, ...],
    stale: bool,
    jobs: int,
    dry_run: bool,
    commands: bool,
    device: str,
    data_root: Path | None,
    as_json: bool,
) -> None:
    """Run the missing entries of TRACK and add their records to its leaderboard.

    TRACK is the name of a shipped track (vaebench list tracks) or a file such as ./mine.toml. Each run is a
    separate process with its own folder. Finished runs are skipped, and interrupted runs are resumed. A run
    that fails does not stop the others. --dry-run times a few steps of each missing entry on this machine and
    extrapolates.

    \b
      vaebench bench smoke
      vaebench bench digits --dry-run
      vaebench bench digits --add latent=mine
    """
    from vaebench.requests import tracks

    if stale and commands:
        raise UsageError(
            "--stale and --commands exclude each other: printed commands move no stale run aside"
        )
    requested = tracks.read(tracks.find(track))
    from vaebench import registry
    from vaebench.composing.spec import check_names, parse

    components = registry.load()
    for spec in added:
        check_names(parse(spec), components)

    from vaebench.bench.plan import plan, words
    from vaebench.bench.work import Work
    from vaebench.cli.benchtable import Display
    from vaebench.composing.sources import installed
    from vaebench.datasets.load import default_root

    root, folder = data_root or default_root(), out or Path("runs") / requested.name
    planned = plan(requested, components, folder, root, device, added, only, seeds)
    for refused in planned.refused:
        click.echo(f"cannot be run: {refused.entry.compose}: {refused.why}", err=True)
    place = board or (_BOARD if _BOARD.is_dir() else None)
    work = Work(planned, place, data_root, device, jobs, installed(components), stale)
    if work.earlier:
        count, settings = len(work.earlier), ", ".join(words(work.earlier))
        click.echo(
            f"{count} of the missing runs exist with earlier defaults: a track with {settings} uses them",
            err=True,
        )
    if commands or dry_run:
        _foretell(work, dry_run, as_json)
        return
    display = Display(work)
    try:
        with display:
            work.go(display.ended)
    except KeyboardInterrupt as error:
        error.add_note("every run keeps its checkpoints; repeat the command to resume")
        raise
    work.regenerate()
    if as_json:
        _echo(
            {
                "track": requested.name,
                "runs": [_row(s) for s in work.statuses],
                "cannot_be_run": _refused(work),
            }
        )
    else:
        click.echo("\n".join(_ending(work, folder)))
    work.verdict()


def _foretell(work: "Work", dry_run: bool, as_json: bool) -> None:
    """Print the commands of the missing runs, or an estimate of their time."""
    from vaebench.bench.children import command

    commands = [command(status.run, work.data_root, work.device) for status in work.missing]
    if not dry_run:
        _echo(commands) if as_json else click.echo("\n".join(map(shlex.join, commands)))
        return
    from vaebench.cli.benchtable import estimates

    rows = estimates(work)
    total = sum(row["total"] * row["runs"] for row in rows)
    if as_json:
        listed = {} if work.again else {"commands": [shlex.join(words) for words in commands]}
        _echo({"entries": rows, "seconds": total / work.jobs, **listed})
        return
    for row in rows:
        parts = "  ".join(f"{part} {row[part]:7.0f}" for part in ("start", "training", "fit", "scoring"))
        click.echo(f"{row['total'] / 60:7.1f} min x {row['runs']}  {parts} s  {row['entry']}")
    click.echo(f"{total / work.jobs / 60:7.1f} min in total, for {len(commands)} missing runs")


def _ending(work: "Work", folder: Path) -> list[str]:
    from collections import Counter

    counts = Counter(status.state for status in work.statuses)
    lines = [f"runs         {', '.join(f'{n} {state}' for state, n in counts.items())}; in {folder}"]
    if work.board is not None:
        return [*lines, f"leaderboard  {work.board}"]
    return [*lines, "leaderboard  none; --leaderboard FOLDER makes one from these records"]


def _row(status: "Status") -> dict[str, Any]:
    likelihood = status.record.scores.likelihood if status.record and status.record.scores else None
    return {
        "compose": status.run.request.compose,
        "seed": status.run.request.seed,
        "added": status.run.added,
        "why": status.run.entry.why,
        "state": status.state,
        "folder": str(status.run.folder),
        "bits_per_dim": likelihood.nll.bits_per_dim if likelihood else None,
        "seconds": status.seconds,
        "reason": status.line if status.state == "failed" else "",
    }


def _refused(work: "Work") -> list[dict[str, str]]:
    return [{"compose": refused.entry.compose, "reason": refused.why} for refused in work.plan.refused]


def _echo(value: Any) -> None:
    from vaebench.storage.strict_json import strict

    click.echo(strict(value, indent=2))
