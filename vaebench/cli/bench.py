"""``vaebench bench``: a track, from what is missing to its page."""

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


def _seeds(context: click.Context, parameter: click.Parameter, said: str | None) -> tuple[int, ...]:
    if said is None:
        return ()
    words = [word.strip() for word in said.split(",")]
    found = tuple(int(word) for word in words if word.isdecimal() and int(word) <= 2**62)
    if len(set(found)) < len(words):
        raise UsageError(f"--seeds {said}: different integers >= 0 are expected, as in 0,1,2")
    return found


@click.command()
@click.argument("track", shell_complete=_complete_track)
@click.option("--out", type=FOLDER, help="Folder of the runs' folders [default: runs/TRACK].")
@click.option(
    "--leaderboard",
    "board",
    type=FOLDER,
    help="Folder of leaderboards: records there count as done, new ones are put there and the pages are made "
    "anew [default: leaderboards, where that is there].",
)
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="SPEC",
    help="Put a component through the track too, as latent=mine: its slots take the place of the base's.",
)
@click.option("--only", default="", metavar="TEXT", help="Entries whose composition contains TEXT.")
@click.option("--seeds", callback=_seeds, metavar="0,1,...", help="In place of the track's.")
@click.option(
    "--stale",
    is_flag=True,
    help="Do again what ran with other code of its parts, or unknown.",
)
@click.option("--jobs", type=click.IntRange(1), default=1, show_default=True, help="Runs at a time.")
@click.option("--dry-run", is_flag=True, help="Estimate the time of what is missing, and stop.")
@click.option("--commands", is_flag=True, help="Print the commands of what is missing, and stop.")
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
    """Do the runs of TRACK that are missing, and put them on its leaderboard.

    TRACK is a shipped one (vaebench list tracks) or a file, as ./mine.toml. Each run is a process of its own
    in its own folder; what is there is skipped, and what was interrupted goes on. A run that fails stops no
    other. --dry-run times a few steps of each missing entry here and now and multiplies.

    \b
      vaebench bench smoke
      vaebench bench digits --dry-run
      vaebench bench digits --add latent=mine
    """
    from vaebench.requests import tracks

    if stale and commands:
        raise UsageError("--stale sets runs aside as it goes, which commands alone do not")
    said = tracks.read(tracks.find(track))
    from vaebench import registry
    from vaebench.composing.spec import check_names, parse

    known = registry.load()
    for spec in added:
        check_names(parse(spec), known)

    from vaebench.bench.plan import plan, words
    from vaebench.bench.work import Work
    from vaebench.cli.benchtable import Display
    from vaebench.composing.sources import installed
    from vaebench.datasets.load import default_root

    root, folder = data_root or default_root(), out or Path("runs") / said.name
    planned = plan(said, known, folder, root, device, added, only, seeds)
    for refused in planned.refused:
        click.echo(f"cannot be run: {refused.entry.compose}: {refused.why}", err=True)
    place = board or (_BOARD if _BOARD.is_dir() else None)
    work = Work(planned, place, data_root, device, jobs, installed(known), stale)
    if work.earlier:
        count, meant = len(work.earlier), ", ".join(words(work.earlier))
        click.echo(f"{count} of the missing runs are there as they were meant before: with {meant}", err=True)
    if commands or dry_run:
        _foretell(work, dry_run, as_json)
        return
    display = Display(work)
    try:
        with display:
            work.go(display.ended)
    except KeyboardInterrupt as error:
        error.add_note("every run keeps its checkpoints; the same command goes on")
        raise
    work.regenerate()
    if as_json:
        _echo({"track": said.name, "runs": [_row(s) for s in work.statuses], "cannot_be_run": _refused(work)})
    else:
        click.echo("\n".join(_ending(work, folder)))
    work.verdict()


def _foretell(work: "Work", dry_run: bool, as_json: bool) -> None:
    """What is missing: its commands, or its time too."""
    from vaebench.bench.children import command

    said = [command(status.run, work.data_root, work.device) for status in work.missing]
    if not dry_run:
        _echo(said) if as_json else click.echo("\n".join(map(shlex.join, said)))
        return
    from vaebench.cli.benchtable import estimates

    rows = estimates(work)
    total = sum(row["total"] * row["runs"] for row in rows)
    if as_json:
        listed = {} if work.again else {"commands": [shlex.join(words) for words in said]}
        _echo({"entries": rows, "seconds": total / work.jobs, **listed})
        return
    for row in rows:
        parts = "  ".join(f"{part} {row[part]:7.0f}" for part in ("start", "training", "fit", "scoring"))
        click.echo(f"{row['total'] / 60:7.1f} min x {row['runs']}  {parts} s  {row['entry']}")
    click.echo(f"{total / work.jobs / 60:7.1f} min in all, for {len(said)} runs that are missing")


def _ending(work: "Work", folder: Path) -> list[str]:
    from collections import Counter

    counts = Counter(status.state for status in work.statuses)
    lines = [f"runs         {', '.join(f'{n} {state}' for state, n in counts.items())}; in {folder}"]
    if work.board is not None:
        return [*lines, f"leaderboard  {work.board}"]
    return [*lines, "leaderboard  none; --leaderboard FOLDER makes one of these records"]


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
    return [{"compose": one.entry.compose, "reason": one.why} for one in work.plan.refused]


def _echo(said: Any) -> None:
    from vaebench.storage.strict_json import strict

    click.echo(strict(said, indent=2))
