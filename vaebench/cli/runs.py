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


@click.command()
@click.option("--compose", metavar="SPEC", help="slot=name and slot.parameter=value, separated by commas.")
@click.option(
    "--recipe",
    metavar="FILE",
    shell_complete=_complete_recipe,
    help="The same as a TOML file, or the name of a shipped one (vaebench list recipes).",
)
@click.option("--from", "base", type=FOLDER, help="Start from the weights of RUN, a finished run's folder.")
@click.option("--data", metavar="DATA", shell_complete=_complete_data, help="Data set [default: digits].")
@click.option("--steps", type=click.IntRange(1), help="Optimiser steps.")
@click.option("--epochs", type=click.FloatRange(0, min_open=True), help="Passes over the training split.")
@click.option("--seed", type=click.IntRange(0, 2**62), help="Of weights, order and noise [default: 0].")
@settings_
@click.option("--out", type=FOLDER, help="The run's folder [default: under runs/].")
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
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
    """Compose a model, train it, score it, and write a record and pictures.

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
    asked_again = resume and out is not None and compose is None and recipe is None and base is None
    if not asked_again and ((compose is not None and recipe is not None) or not (compose or recipe or base)):
        raise UsageError(
            "give --compose SPEC, --recipe FILE or --from RUN (or --resume --out RUN to go on with a run)"
        )
    plan = recipes.Recipe()
    if recipe is not None:
        plan = recipes.read(recipes.find(recipe))
    elif base is not None:
        plan = recipes.of_run(RunFolder(base).request())
    plan = plan.overridden(compose=compose, data=data, seed=seed, settings=given)
    if asked_again and plan.given:
        raise UsageError("--resume --out RUN goes on with what RUN was asked; leave the other options out")
    if not asked_again:
        plan.check_names(components)

    from vaebench.datasets.load import default_root
    from vaebench.run import start
    from vaebench.run.perform import Place

    place = Place(data_root or default_root(), device, out, resume, other_data, plan.settings.keys())
    if asked_again:
        assert out is not None
        request = RunFolder(out).request()
    else:
        request = plan.request()
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
    from vaebench.cli.progress import reporter
    from vaebench.run.perform import perform

    with reporter(progress) as shown:
        folder, record = perform(request, registry, place, shown, base)
    if as_json:
        click.echo(records.to_json(record), nl=False)
    else:
        from vaebench.cli.summary import summary

        click.echo(summary(record, folder))


@click.command("eval")
@click.argument("run", type=FOLDER)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of scoring, as samples=1000."
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
    """Score the trained model in folder RUN again, under its own protocol or another.

    The run's record stays as it is.
    """
    import msgspec

    from vaebench import registry
    from vaebench.cli.progress import reporter
    from vaebench.cli.summary import scores_lines
    from vaebench.datasets.load import default_root
    from vaebench.evaluation import scoring
    from vaebench.requests import recipes
    from vaebench.run import runner
    from vaebench.run.folder import RunFolder
    from vaebench.storage.strict_json import strict

    changes = recipes.scoring_settings(recipes.key_values(settings))
    components = registry.load()
    root = data_root or default_root()
    prepared, model = runner.load(RunFolder(run), components, root, device, other_data=other_data)
    asked = msgspec.structs.replace(prepared.request.scoring, **changes)
    protocol = scoring.settle(asked, prepared.data, model.latent.groups, components, prepared.device)
    with reporter() as shown:
        scores, _ = scoring.score(model, prepared.data, protocol, components, shown)
    if as_json:
        click.echo(strict(scores, indent=2))
    else:
        click.echo("\n".join(scores_lines(scores)))
