"""``vaebench leaderboard`` and ``vaebench submit``."""

from pathlib import Path

import click

from vaebench.errors import UsageError, VaebenchError

_NAMED = 8

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Leaderboard folder; it keeps the records in records/.",
)


@click.command(short_help="Regenerate the leaderboard pages.")
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; exit with code 1 if a page or picture does not match the records.",
)
@_root
def leaderboard(check: bool, root: Path) -> None:
    """Regenerate the leaderboard pages and pictures from the records and published.toml.

    A row is stale when the code of one of its components has changed since the run. Stale rows are marked on
    the page and listed on stderr; they are no failure, because the measurements remain valid. But --check
    fails until the pages show the marks, so run it where the components of the records are installed.
    """
    from vaebench import registry
    from vaebench.composing.sources import installed
    from vaebench.leaderboard import folder as boards

    if not (root / "records").is_dir():
        raise UsageError(f"{root / 'records'} is not a folder; vaebench submit RUN creates it")
    changed, stale = (boards.check if check else boards.regenerate)(root, installed(registry.load()))
    for line in stale:
        click.echo(f"stale: {line}", err=True)
    names = [path.relative_to(root).as_posix() for path in changed]
    if not check:
        for path in changed:
            click.echo(path)
    elif names:
        wrong = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if names[_NAMED:] else "")
        raise VaebenchError(f"{wrong} do not match the records; run: vaebench leaderboard --root {root}")


@click.command(short_help="Add a run's record to the leaderboard.")
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@_root
def submit(run: Path, root: Path) -> None:
    """Add the record of the run in folder RUN to the leaderboard's records."""
    from vaebench import records
    from vaebench.leaderboard import folder as boards
    from vaebench.leaderboard.identity import file_name
    from vaebench.run.folder import RunFolder

    folder = RunFolder(run)
    folder.request()
    if not folder.record.exists():
        raise UsageError(f"{run} has no record yet: finish it with vaebench run --resume --out {run}")
    existed = (root / "records" / file_name(records.read(folder.record))).exists()
    click.echo(boards.submit(folder.record, root))
    next_step = f"next: vaebench leaderboard --root {root}"
    click.echo("the record was submitted before" if existed else next_step, err=True)
