"""Pictures of a run: ``sample``, ``reconstruct``, ``morph``, ``traverse``, ``latents`` and ``codes``."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from vaebench.cli.options import FOLDER, data_root_, device_, other_data_, out_, seed_
from vaebench.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vaebench.contracts import Group
    from vaebench.model import Vae
    from vaebench.run.folder import RunFolder
    from vaebench.run.prepare import Prepared


def _opened(
    run: Path, data_root: Path | None, device: str, other_data: bool
) -> "tuple[RunFolder, Prepared, Vae]":
    from vaebench import registry
    from vaebench.datasets.load import default_root
    from vaebench.run import runner
    from vaebench.run.folder import RunFolder

    folder = RunFolder(run)
    root = data_root or default_root()
    return folder, *runner.load(folder, registry.load(), root, device, other_data=other_data)


def _write(path: Path, png: bytes) -> None:
    from vaebench.storage.files import write_atomic

    write_atomic(path, png)
    click.echo(path)


@click.command(short_help="Draw images from a trained model.")
@click.argument("run", type=FOLDER)
@click.option("--count", type=click.IntRange(1), default=64, show_default=True, help="Number of images.")
@click.option(
    "--temperature",
    type=click.FloatRange(0),
    default=1.0,
    show_default=True,
    help="Scale of the prior's standard deviation.",
)
@click.option(
    "--label", metavar="CLASS", help="Class of all images, by name or number, for class-conditional priors."
)
@click.option(
    "--readjust",
    type=click.IntRange(1),
    metavar="N",
    help="First re-estimate the batch-norm statistics from N batches of samples at this temperature.",
)
@seed_
@out_
@device_
@data_root_
@other_data_
def sample(
    run: Path,
    count: int,
    temperature: float,
    label: str | None,
    readjust: int | None,
    seed: int,
    out: Path | None,
    device: str,
    data_root: Path | None,
    other_data: bool,
) -> None:
    """Draw images from the model in folder RUN and write them as one picture."""
    from vaebench.evaluation import scoring
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.grid import samples_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    if readjust:
        from vaebench.evaluation.readjust import readjusted

        model = readjusted(model, readjust, temperature, seed)
    number = None if label is None else _class_number(label, prepared.data.classes)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    images = scoring.generate(model, count, draws, temperature, number)
    fresh = f"-r{readjust}" if readjust else ""
    of_class = "" if label is None else f"-class{label if _PLAIN.fullmatch(label) else number}"
    path = out or folder.path / f"samples{of_class}-t{temperature:g}-s{seed}{fresh}.png"
    _write(path, samples_png(images, prepared.data.image.levels))


_PLAIN, _NUMBER = re.compile("[A-Za-z0-9_-]{1,40}"), re.compile("[0-9]{1,9}")
_SHOWN = 10


def _class_number(label: str, classes: "Sequence[str]") -> int:
    """Return the number of the class with this name or, where no class has that name, with this number."""
    from vaebench.text import nearest, one_line

    if label in classes:
        return classes.index(label)
    alike = [number for number, name in enumerate(classes) if name.casefold() == label.casefold()]
    if len(alike) == 1:
        return alike[0]
    if _NUMBER.fullmatch(label):
        return int(label)
    some = ", ".join(map(one_line, classes[:_SHOWN])) + (", ..." if len(classes) > _SHOWN else "")
    expected = f"classes are {some}" if classes else "a number is expected, as the classes have no names"
    raise UsageError(f"--label {one_line(label)}: {expected}{nearest(label, classes)}")


@click.command(short_help="Reconstruct test images.")
@click.argument("run", type=FOLDER)
@click.option("--count", type=click.IntRange(1), default=36, show_default=True, help="Number of test images.")
@out_
@device_
@data_root_
@other_data_
def reconstruct(
    run: Path, count: int, out: Path | None, device: str, data_root: Path | None, other_data: bool
) -> None:
    """Reconstruct test images with the model in folder RUN.

    The picture shows each image above its reconstruction, the mean of p(x|z).
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.grid import reconstructions_png
    from vaebench.pictures.of_run import reconstructed

    folder, prepared, model = _opened(run, data_root, device, other_data)
    path = out or folder.reconstructions
    protocol = prepared.request.scoring
    pair = reconstructed(model, prepared.data, Draws(protocol.noise_seed, protocol.score_batch), count)
    _write(path, reconstructions_png(*pair, prepared.data.image.levels))


@click.command(short_help="Interpolate between test images.")
@click.argument("run", type=FOLDER)
@click.option(
    "--pairs",
    type=click.IntRange(1),
    default=8,
    show_default=True,
    help="Number of image pairs, one per row.",
)
@click.option(
    "--steps", type=click.IntRange(2), default=9, show_default=True, help="Number of images on each path."
)
@click.option(
    "--groups",
    metavar="NAME[,NAME]",
    help="Latent groups to interpolate [default: all]; the others keep the values of the first image.",
)
@click.option(
    "--zero",
    metavar="NAME[,NAME]",
    help="Latent groups whose direct contribution to the decoder is set to zero.",
)
@seed_
@out_
@device_
@data_root_
@other_data_
def morph(
    run: Path,
    pairs: int,
    steps: int,
    groups: str | None,
    zero: str | None,
    seed: int,
    out: Path | None,
    device: str,
    data_root: Path | None,
    other_data: bool,
) -> None:
    """Interpolate between pairs of test images in the latent space of the model in folder RUN.

    Each row shows image A, the images on the path, and image B. Real latents are interpolated between
    posterior means. Codes are interpolated before quantisation, between the encoder's feature maps.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.latents import numbered
    from vaebench.pictures.paths import morph_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    names = model.latent.groups
    numbered(names, None)
    moving = range(len(names)) if groups is None else _numbers(names, "--groups", groups)
    zeroed = () if zero is None else _numbers(names, "--zero", zero)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = morph_png(model, prepared.data, pairs, steps, set(moving), set(zeroed), draws)
    _write(out or folder.path / "morph.png", png)


def _numbers(groups: "Sequence[Group]", option: str, words: str) -> list[int]:
    """Return the numbers of the groups that an option names."""
    from vaebench.pictures.latents import numbered

    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise UsageError(f"{option} {words}: write NAME[,NAME]")
    return [numbered(groups, name) for name in names]


@click.command(short_help="Vary single latent dimensions.")
@click.argument("run", type=FOLDER)
@click.option(
    "--image", type=click.IntRange(0), default=0, show_default=True, help="Index of the test image."
)
@click.option("--group", metavar="NAME", help="Latent group [default: the root].")
@click.option(
    "--rows", "dimensions", type=click.IntRange(1), help="Number of dimensions to show [default: up to 10]."
)
@click.option(
    "--steps", type=click.IntRange(2), default=7, show_default=True, help="Number of images in a row."
)
@seed_
@out_
@device_
@data_root_
@other_data_
def traverse(
    run: Path,
    image: int,
    group: str | None,
    dimensions: int | None,
    steps: int,
    seed: int,
    out: Path | None,
    device: str,
    data_root: Path | None,
    other_data: bool,
) -> None:
    """Vary one latent dimension of a test image per row, from -3 to 3 standard deviations of the prior.

    The rows are the dimensions whose posterior means vary most over the test images, in that order.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.latents import numbered
    from vaebench.pictures.paths import traverse_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    number = numbered(model.latent.groups, group)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = traverse_png(model, prepared.data, image, number, dimensions, steps, draws)
    _write(out or folder.path / "traverse.png", png)


@click.command(short_help="Plot the latent space.")
@click.argument("run", type=FOLDER)
@click.option(
    "--method",
    type=click.Choice(["pca", "tsne"]),
    default="pca",
    show_default=True,
    help="Projection to two dimensions.",
)
@click.option(
    "--count", type=click.IntRange(3), default=2000, show_default=True, help="Largest number of test images."
)
@click.option("--group", metavar="NAME", help="Latent group [default: the root].")
@seed_
@out_
@device_
@data_root_
@other_data_
def latents(
    run: Path,
    method: Literal["pca", "tsne"],
    count: int,
    group: str | None,
    seed: int,
    out: Path | None,
    device: str,
    data_root: Path | None,
    other_data: bool,
) -> None:
    """Plot the test images in the latent space of the model in folder RUN, coloured by class.

    Each point is the posterior mean of an image or, for codes, the histogram of the image's codes.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.charts import latents_png
    from vaebench.pictures.latents import numbered

    folder, prepared, model = _opened(run, data_root, device, other_data)
    number = numbered(model.latent.groups, group)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = latents_png(model, prepared.data, number, count, method, draws)
    if prepared.data.test.labels is None:
        click.echo(f"{prepared.data.name} has no classes, so all points have the same colour", err=True)
    _write(out or folder.path / f"latents-{method}.png", png)


@click.command(short_help="Plot how often each code is used.")
@click.argument("run", type=FOLDER)
@seed_
@out_
@device_
@data_root_
@other_data_
def codes(
    run: Path, seed: int, out: Path | None, device: str, data_root: Path | None, other_data: bool
) -> None:
    """Plot how often the test images use each code of the model in folder RUN."""
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.charts import codes_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    png = codes_png(model, prepared.data, Draws(seed, prepared.request.scoring.score_batch))
    _write(out or folder.path / "codes.png", png)
