"""``vaebench rates``: the rate of each group of latents."""

from pathlib import Path

import click

from vaebench.cli.options import FOLDER, out_
from vaebench.errors import UsageError


@click.command(short_help="Plot the rate of each latent group.")
@click.argument("run", type=FOLDER)
@out_
def rates(run: Path, out: Path | None) -> None:
    """Plot the rate of each latent group in RUN's record, in nats per image, coarse to fine.

    The sum over the groups of each resolution is printed too, with its share of the total rate.
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
        raise UsageError(f"{run} has no rates: the run diverged, or its model has no latents")
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
