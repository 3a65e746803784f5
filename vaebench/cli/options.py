"""Options that several commands share."""

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

device_ = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Device to compute on; auto uses the GPU if there is one.",
)
data_root_ = click.option(
    "--data-root",
    type=FOLDER,
    help="Folder of the data sets [default: $VAEBENCH_DATA or ~/.cache/vaebench/data].",
)
as_json_ = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
progress_ = click.option(
    "--progress",
    type=click.Choice(["auto", "json"]),
    default="auto",
    show_default=True,
    help="Progress on stderr: a bar or text lines (auto), or one JSON object per line (json).",
)
settings_ = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a setting of training or scoring."
)
seed_ = click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    default=0,
    show_default=True,
    help="Random seed for the noise.",
)
out_ = click.option("--out", type=FILE, help="PNG file to write [default: a file in the run folder].")
other_data_ = click.option(
    "--other-data",
    is_flag=True,
    help="Continue although the data have changed since training; a record keeps both checksums.",
)
