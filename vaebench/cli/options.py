"""Options that several verbs share."""

from pathlib import Path

import click

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)

device_ = click.option(
    "--device",
    type=click.Choice(["auto", "cpu", "cuda"]),
    default="auto",
    show_default=True,
    help="Where to compute.",
)
data_root_ = click.option(
    "--data-root",
    type=FOLDER,
    help="Where data sets live [default: $VAEBENCH_DATA or ~/.cache/vaebench/data].",
)
as_json_ = click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
progress_ = click.option(
    "--progress",
    type=click.Choice(["auto", "json"]),
    default="auto",
    show_default=True,
    help="On stderr: a bar or lines, or one JSON object a line.",
)
settings_ = click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of training or scoring."
)
seed_ = click.option(
    "--seed", type=click.IntRange(0, 2**62), default=0, show_default=True, help="Of the noise."
)
out_ = click.option("--out", type=FILE, help="PNG [default: in the run's folder].")
other_data_ = click.option(
    "--other-data",
    is_flag=True,
    help="Go on although the data have changed since RUN was trained; a record tells both checksums.",
)
