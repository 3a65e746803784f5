"""``vaebench rates``: where a model spends its bits."""

from pathlib import Path

import click

from vaebench.errors import UsageError


@click.command()
@click.argument("run", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), help="PNG [default: in the run's folder]."
)
def rates(run: Path, out: Path | None) -> None:
    """Picture the rate of each group of latents in RUN's record: nats per image, coarse to fine.

    Each resolution's sum, and its share of the whole, are said as well.
    """
    from vaebench import records
    from vaebench.pictures.rates import by_side, rates_png
    from vaebench.run.folder import RunFolder
    from vaebench.storage.files import write_atomic

    folder = RunFolder(run)
    if not folder.record.exists():
        raise UsageError(f"{run} has no record yet: it is not the folder of a finished run")
    record = records.read(folder.record)
    if record.scores is None or not record.scores.likelihood.rate_per_group:
        raise UsageError(f"{run} has no rates: it diverged, or its model has no latents")
    likelihood = record.scores.likelihood
    total = sum(likelihood.rate_per_group.values())
    for side, groups in by_side(likelihood.rate_per_group).items():
        nats = sum(groups.values())
        click.echo(
            f"{side:>8}  {len(groups):3} groups  {nats:10.3f} nats  {nats / total if total else 0:6.1%}"
        )
    path = out or folder.path / "rates.png"
    write_atomic(path, rates_png(likelihood.rate_per_group, record.composition))
    click.echo(path)
