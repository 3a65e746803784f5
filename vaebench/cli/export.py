"""``vaebench export``: encoder and decoder as programs."""

from pathlib import Path

import click

from vaebench.cli.options import FOLDER, device_


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--out", type=FOLDER, help="The folder to write into [default: export/ in the run's folder].")
@device_
def export(run: Path, out: Path | None, device: str) -> None:
    """Write encoder and decoder of the model in folder RUN as torch.export programs.

    encoder.pt2 takes integer images (B, C, H, W), int64, and gives the latents of each group: posterior
    means, or codes. decoder.pt2 takes these and gives E[x|z]. They run without vaebench, for any B.

    \b
      vaebench export runs/flat --out exported
    """
    import vaebench as vb

    for path in vb.export(vb.load(run, device=device), out or run / "export"):
        click.echo(path)
