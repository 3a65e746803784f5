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


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--count", type=click.IntRange(1), default=64, show_default=True, help="How many images.")
@click.option(
    "--temperature", type=click.FloatRange(0), default=1.0, show_default=True, help="Spread of the prior."
)
@click.option(
    "--label", metavar="CLASS", help="Class of all images, by name or number, for priors that know classes."
)
@click.option(
    "--readjust",
    type=click.IntRange(1),
    metavar="N",
    help="First estimate batch-norm statistics anew, from N batches of samples at this temperature.",
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
    """Draw images from the model in folder RUN and write a picture of them."""
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
    """The number of a class that is said by its name or, where no class has that name, by its number."""
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


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--count", type=click.IntRange(1), default=36, show_default=True, help="How many test images.")
@out_
@device_
@data_root_
@other_data_
def reconstruct(
    run: Path, count: int, out: Path | None, device: str, data_root: Path | None, other_data: bool
) -> None:
    """Put test images through the model in folder RUN and write a picture: images above, means below."""
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.grid import reconstructions_png
    from vaebench.pictures.of_run import reconstructed

    folder, prepared, model = _opened(run, data_root, device, other_data)
    path = out or folder.reconstructions
    protocol = prepared.request.scoring
    pair = reconstructed(model, prepared.data, Draws(protocol.noise_seed, protocol.score_batch), count)
    _write(path, reconstructions_png(*pair, prepared.data.image.levels))


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--pairs", type=click.IntRange(1), default=8, show_default=True, help="Rows of the picture.")
@click.option("--steps", type=click.IntRange(2), default=9, show_default=True, help="Images on a path.")
@click.option(
    "--groups",
    metavar="NAME[,NAME]",
    help="Groups of latents that move [default: all]; the others stay those of the first image.",
)
@click.option(
    "--zero", metavar="NAME[,NAME]", help="Groups whose direct contribution to the decoder is set to zero."
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
    """Walk from one test image to another through the latents of the model in folder RUN.

    A row holds image A, the path, and image B. Reals are interpolated between posterior means; codes are
    interpolated before quantisation, by the encoder's maps.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.latents import numbered
    from vaebench.pictures.paths import morph_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    there = model.latent.groups
    numbered(there, None)
    moving = range(len(there)) if groups is None else _numbers(there, "--groups", groups)
    zeroed = () if zero is None else _numbers(there, "--zero", zero)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = morph_png(model, prepared.data, pairs, steps, set(moving), set(zeroed), draws)
    _write(out or folder.path / "morph.png", png)


def _numbers(groups: "Sequence[Group]", option: str, words: str) -> list[int]:
    """The groups that an option names."""
    from vaebench.pictures.latents import numbered

    names = [word.strip() for word in words.split(",") if word.strip()]
    if not names:
        raise UsageError(f"{option} {words}: write NAME[,NAME]")
    return [numbered(groups, name) for name in names]


@click.command()
@click.argument("run", type=FOLDER)
@click.option("--image", type=click.IntRange(0), default=0, show_default=True, help="Number of a test image.")
@click.option("--group", metavar="NAME", help="Group of latents [default: the root].")
@click.option("--rows", "dimensions", type=click.IntRange(1), help="Dimensions shown [default: 10 at most].")
@click.option("--steps", type=click.IntRange(2), default=7, show_default=True, help="Images in a row.")
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
    """Move one latent dimension a row, from -3 to 3 standard deviations of the prior, for one test image.

    The dimensions whose posterior means vary most over test images come first.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.latents import numbered
    from vaebench.pictures.paths import traverse_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    number = numbered(model.latent.groups, group)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = traverse_png(model, prepared.data, image, number, dimensions, steps, draws)
    _write(out or folder.path / "traverse.png", png)


@click.command()
@click.argument("run", type=FOLDER)
@click.option(
    "--method", type=click.Choice(["pca", "tsne"]), default="pca", show_default=True, help="Projection."
)
@click.option("--count", type=click.IntRange(3), default=2000, show_default=True, help="Test images at most.")
@click.option("--group", metavar="NAME", help="Group of latents [default: the root].")
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
    """Show where test images lie in the latent space of the model in folder RUN, coloured by class.

    Each point is an image's posterior mean; of codes, the histogram of its codes, whatever their places.
    """
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.charts import latents_png
    from vaebench.pictures.latents import numbered

    folder, prepared, model = _opened(run, data_root, device, other_data)
    number = numbered(model.latent.groups, group)
    draws = Draws(seed, prepared.request.scoring.score_batch)
    png = latents_png(model, prepared.data, number, count, method, draws)
    if prepared.data.test.labels is None:
        click.echo(f"{prepared.data.name} has no classes: every point has the same colour", err=True)
    _write(out or folder.path / f"latents-{method}.png", png)


@click.command()
@click.argument("run", type=FOLDER)
@seed_
@out_
@device_
@data_root_
@other_data_
def codes(
    run: Path, seed: int, out: Path | None, device: str, data_root: Path | None, other_data: bool
) -> None:
    """Show how often each code of the model in folder RUN is used over the test images."""
    from vaebench.evaluation.draws import Draws
    from vaebench.pictures.charts import codes_png

    folder, prepared, model = _opened(run, data_root, device, other_data)
    png = codes_png(model, prepared.data, Draws(seed, prepared.request.scoring.score_batch))
    _write(out or folder.path / "codes.png", png)
