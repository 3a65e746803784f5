"""``vaebench bench``."""

import shlex
from pathlib import Path

import click

from vaebench.cli.options import FOLDER, data_root_, device_
from vaebench.errors import UsageError


def _complete_track(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench import tracks

    return [name for name in tracks.shipped() if name.startswith(incomplete)]


def _seeds(context: click.Context, parameter: click.Parameter, said: str | None) -> tuple[int, ...]:
    if said is None:
        return ()
    try:
        found = tuple(int(word) for word in said.split(","))
    except ValueError:
        found = (-1,)
    if min(found) < 0 or max(found) > 2**62 or len(set(found)) < len(found):
        raise UsageError(f"--seeds {said}: different integers >= 0 with commas between, as in 0,1,2")
    return found


@click.command()
@click.argument("track", shell_complete=_complete_track)
@click.option("--out", type=FOLDER, help="Folder of the runs' folders [default: runs/TRACK].")
@click.option("--add", "added", multiple=True, metavar="SPEC", help="A component, put through the track.")
@click.option("--only", default="", metavar="TEXT", help="Entries whose composition contains TEXT.")
@click.option("--seeds", callback=_seeds, metavar="0,1,...", help="In place of the track's.")
@click.option("--commands", is_flag=True, help="Print the command of every run and stop.")
@device_
@data_root_
def bench(
    track: str,
    out: Path | None,
    added: tuple[str, ...],
    only: str,
    seeds: tuple[int, ...],
    commands: bool,
    device: str,
    data_root: Path | None,
) -> None:
    """Do the runs of a track that are missing."""
    from vaebench import registry, tracks

    said = tracks.read(tracks.find(track))
    from vaebench.bench import children, plan
    from vaebench.data import default_root

    known = registry.load()
    folder = out or Path("runs") / said.name
    planned = plan.plan(said, known, folder, data_root or default_root(), device, added, only, seeds)
    for run in planned.runs:
        click.echo(shlex.join(children.command(run, data_root, device)))
