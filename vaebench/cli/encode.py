"""``vaebench encode``: the latents of images in a file."""

from pathlib import Path

import click

from vaebench.cli.options import FILE, FOLDER, data_root_, device_, other_data_, seed_


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--out", type=FILE, required=True, help="The file to write, as latents.npz.")
@click.option("--data", metavar="DATA", help="Data set [default: RUN's], as folder:PATH.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="test",
    show_default=True,
    help="The split whose images are encoded.",
)
@seed_
@device_
@data_root_
@other_data_
def encode(
    run: Path,
    out: Path,
    data: str | None,
    split: str,
    seed: int,
    device: str,
    data_root: Path | None,
    other_data: bool,
) -> None:
    """Write the latents that the model in folder RUN gives images, for numpy.load.

    latents/NAME holds each group: posterior means of reals, codes of codes, (N, ...). labels, names (those of
    the files) and classes are there where the data have them.

    \b
      vaebench encode runs/flat --out latents.npz
      vaebench encode runs/flat --out mine.npz --data folder:photos,size=32 --split train
    """
    import vaebench as vb

    opened = vb.load(run, device=device, data_root=data_root, other_data=other_data)
    latents = vb.encode(opened, data, split=split, seed=seed)
    latents.save(out)
    click.echo(f"images       {len(latents)}")
    for name, z in latents.groups.items():
        click.echo(f"latents      {name}: {z.dtype} {z.shape}")
    click.echo(f"file         {out}")
