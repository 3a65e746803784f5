"""``vaebench leaderboard`` and ``vaebench submit``."""

from pathlib import Path

import click

from vaebench.errors import UsageError, VaebenchError

_root = click.option(
    "--root",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("leaderboards"),
    show_default=True,
    help="Folder of the leaderboards; records are in its records/.",
)


@click.command()
@click.option("--check", is_flag=True, help="Write nothing; fail where a page differs from the records.")
@_root
def leaderboard(check: bool, root: Path) -> None:
    """Regenerate the leaderboards' pages from their records."""
    from vaebench import leaderboard as room

    if not (root / "records").is_dir():
        raise UsageError(f"{root / 'records'} is no folder; vaebench submit RUN makes it")
    if not check:
        for path in room.regenerate(root):
            click.echo(path)
        return
    if wrong := room.check(root):
        raise VaebenchError(
            f"{', '.join(wrong)} differ from the records; run: vaebench leaderboard --root {root}"
        )


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@_root
def submit(run: Path, root: Path) -> None:
    """Put the record of folder RUN among the leaderboards' records."""
    from vaebench import leaderboard as room
    from vaebench import records
    from vaebench.runs import RunFolder

    folder = RunFolder(run)
    folder.request()
    if not folder.record.exists():
        raise UsageError(f"{run} has no record yet: finish it with vaebench run --resume --out {run}")
    known = (root / "records" / room.file_name(records.read(folder.record))).exists()
    click.echo(room.submit(folder.record, root))
    click.echo("it was there already" if known else f"now: vaebench leaderboard --root {root}", err=True)
