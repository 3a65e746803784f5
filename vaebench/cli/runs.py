"""``vaebench run`` and ``eval``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaebench.cli.options import (
    FOLDER,
    as_json_,
    data_root_,
    device_,
    other_data_,
    progress_,
    settings_,
)
from vaebench.errors import UsageError

if TYPE_CHECKING:
    from vaebench.registry import Registry
    from vaebench.requests.request import Request
    from vaebench.run.folder import RunFolder
    from vaebench.run.perform import Place


def _complete_data(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench import registry

    return [name for name in registry.load().names("dataset") if name.startswith(incomplete)]


def _complete_recipe(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench.requests import recipes

    return [name for name in recipes.shipped() if name.startswith(incomplete)]


@click.command(short_help="Compose, train and score a model.")
@click.option(
    "--compose",
    metavar="SPEC",
    help="The components and their parameters: slot=name and slot.parameter=value, separated by commas.",
)
@click.option(
    "--recipe",
    metavar="FILE",
    shell_complete=_complete_recipe,
    help="TOML file with the composition, data and settings, or a shipped recipe (vaebench list recipes).",
)
@click.option(
    "--from", "base", metavar="RUN", type=FOLDER, help="Start from the weights of the finished run in RUN."
)
@click.option("--data", metavar="DATA", shell_complete=_complete_data, help="Data set [default: digits].")
@click.option("--steps", type=click.IntRange(1), help="Number of optimiser steps.")
@click.option(
    "--epochs", type=click.FloatRange(0, min_open=True), help="Number of passes over the training split."
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**62),
    help="Random seed for initial weights, order of the images and noise [default: 0].",
)
@settings_
@click.option("--out", type=FOLDER, help="Run folder [default: a new folder under runs/].")
@click.option("--resume", is_flag=True, help="Continue an interrupted run.")
@device_
@data_root_
@other_data_
@progress_
@as_json_
def run(
    compose: str | None,
    recipe: str | None,
    base: Path | None,
    data: str | None,
    steps: int | None,
    epochs: float | None,
    seed: int | None,
    settings: tuple[str, ...],
    out: Path | None,
    resume: bool,
    device: str,
    data_root: Path | None,
    other_data: bool,
    progress: str,
    as_json: bool,
) -> None:
    """Compose a model, train it, score it, and write its record and pictures.

    \b
      vaebench run --compose enc=resnet,latent=topdown,prior=normal
      vaebench run --compose enc=mlp,latent=gaussian --data mnist-binary --epochs 30 --set lr=1e-3
      vaebench run --recipe mine.toml --seed 1
      vaebench run --from runs/mine --data folder:photos --epochs 10
      vaebench run --resume --out runs/mine
    """
    import msgspec

    from vaebench import registry
    from vaebench.requests import recipes
    from vaebench.run.folder import RunFolder

    if out is not None:
        RunFolder(out).refuse_if_in_use()  # before torch and the data are loaded
    components = registry.load()
    given = recipes.key_values(settings)
    given |= {k: str(v) for k, v in (("steps", steps), ("epochs", epochs)) if v is not None}
    resumed = resume and out is not None and compose is None and recipe is None and base is None
    if not resumed and ((compose is not None and recipe is not None) or not (compose or recipe or base)):
        raise UsageError(
            "give --compose SPEC, --recipe FILE or --from RUN (or --resume --out RUN to continue a run)"
        )
    whole = recipes.Recipe()
    if recipe is not None:
        whole = recipes.read(recipes.find(recipe))
    elif base is not None:
        whole = recipes.of_run(RunFolder(base).request())
    whole = whole.overridden(compose=compose, data=data, seed=seed, settings=given)
    if resumed and whole.given:
        raise UsageError("--resume --out RUN continues RUN as it was requested; leave out the other options")
    if not resumed:
        whole.check_names(components)

    from vaebench.datasets.load import default_root
    from vaebench.run import start
    from vaebench.run.perform import Place

    place = Place(data_root or default_root(), device, out, resume, other_data, whole.settings.keys())
    if resumed:
        assert out is not None
        request = RunFolder(out).request()
    else:
        request = whole.request()
    origin = RunFolder(base) if base is not None else None
    if origin is not None:
        request = msgspec.structs.replace(request, base=start.base_of(origin, frozen=False))
    perform_and_show(request, components, place, progress, as_json, origin)


def perform_and_show(
    request: "Request",
    registry: "Registry",
    place: "Place",
    progress: str,
    as_json: bool,
    base: "RunFolder | None" = None,
) -> None:
    """Perform a run with progress on stderr, then print its summary or its record."""
    from vaebench import records
    from vaebench.progress import reporter
    from vaebench.run.perform import perform

    with reporter(progress) as shown:
        folder, record = perform(request, registry, place, shown, base)
    if as_json:
        click.echo(records.to_json(record), nl=False)
    else:
        from vaebench.cli.summary import summary

        click.echo(summary(record, folder))


@click.command("eval", short_help="Score a trained model again.")
@click.argument("run", type=FOLDER)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Change a scoring setting: samples=1000."
)
@device_
@data_root_
@other_data_
@as_json_
def evaluate(
    run: Path,
    settings: tuple[str, ...],
    device: str,
    data_root: Path | None,
    other_data: bool,
    as_json: bool,
) -> None:
    """Score the trained model in folder RUN again, with the run's scoring settings or changed ones.

    The scores are printed; the run's record is not changed.
    """
    import vaebench as vb
    from vaebench.cli.summary import scores_lines
    from vaebench.requests import recipes
    from vaebench.storage.strict_json import strict

    changes = recipes.scoring_settings(recipes.key_values(settings))
    opened = vb.load(run, device=device, data_root=data_root, other_data=other_data)
    scores = vb.evaluate(opened, **changes)
    if as_json:
        click.echo(strict(scores, indent=2))
    else:
        click.echo("\n".join(scores_lines(scores)))
