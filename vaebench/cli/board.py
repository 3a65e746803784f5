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
    help="Folder of the leaderboards; records are in its records/.",
)


@click.command()
@click.option(
    "--check",
    is_flag=True,
    help="Write nothing; fail, exit code 1, where a page or picture differs from the records.",
)
@_root
def leaderboard(check: bool, root: Path) -> None:
    """Regenerate the leaderboards' pages and pictures from their records and published.toml.

    Rows of which a part's code has changed since are marked stale on the page and named on stderr. That alone
    is no failure: what was measured stands. But --check fails until the marks are on the pages, so run it
    where the parts are installed that the records are of.
    """
    from vaebench import registry
    from vaebench.composing.sources import installed
    from vaebench.leaderboard import folder as room

    if not (root / "records").is_dir():
        raise UsageError(f"{root / 'records'} is no folder; vaebench submit RUN makes it")
    changed, stale = (room.check if check else room.regenerate)(root, installed(registry.load()))
    for line in stale:
        click.echo(f"stale: {line}", err=True)
    names = [path.relative_to(root).as_posix() for path in changed]
    if not check:
        for path in changed:
            click.echo(path)
    elif names:
        wrong = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED:,} more" if names[_NAMED:] else "")
        raise VaebenchError(f"{wrong} differ from the records; run: vaebench leaderboard --root {root}")


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@_root
def submit(run: Path, root: Path) -> None:
    """Put the record of folder RUN among the leaderboards' records."""
    from vaebench import records
    from vaebench.leaderboard import folder as room
    from vaebench.leaderboard.identity import file_name
    from vaebench.run.folder import RunFolder

    folder = RunFolder(run)
    folder.request()
    if not folder.record.exists():
        raise UsageError(f"{run} has no record yet: finish it with vaebench run --resume --out {run}")
    known = (root / "records" / file_name(records.read(folder.record))).exists()
    click.echo(room.submit(folder.record, root))
    click.echo("it was there already" if known else f"now: vaebench leaderboard --root {root}", err=True)
