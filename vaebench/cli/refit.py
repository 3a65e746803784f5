"""``vaebench refit``: fit another prior to a trained model."""

from pathlib import Path

import click

from vaebench.cli.options import FOLDER, as_json_, data_root_, device_, other_data_, progress_, settings_
from vaebench.cli.runs import perform_and_show
from vaebench.errors import UsageError


@click.command(short_help="Fit another prior to a trained model.")
@click.argument("base", metavar="RUN", type=FOLDER)
@click.option(
    "--prior",
    metavar="SPEC",
    required=True,
    help="The new prior, as in pixelcnn or pixelcnn,prior.width=32,prior.layers=4.",
)
@click.option("--seed", type=click.IntRange(0, 2**62), help="Random seed for the fit [default: RUN's seed].")
@settings_
@click.option("--out", type=FOLDER, help="Folder of the new run [default: a new folder under runs/].")
@click.option("--resume", is_flag=True, help="Continue an interrupted refit.")
@device_
@data_root_
@other_data_
@progress_
@as_json_
def refit(
    base: Path,
    prior: str,
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
    """Fit another prior to the latents of the model in folder RUN, everything else frozen, and score it.

    The result is a new run with its own record. Settings of the fit start with fit., as in fit.epochs=10.

    \b
      vaebench refit runs/codes --prior pixelcnn --set fit.epochs=20
      vaebench refit runs/flat --prior mog
    """
    import msgspec

    from vaebench import registry
    from vaebench.composing.spec import Spec, check_names, parse
    from vaebench.requests import recipes
    from vaebench.run.folder import RunFolder
    from vaebench.settings import Training

    if out is not None:
        RunFolder(out).refuse_if_in_use()  # before torch and the data are loaded
    components = registry.load()
    new = parse(f"prior={prior}")
    if set(new.choices) != {"prior"}:
        raise UsageError(f"--prior {prior}: refit changes only the prior; all other components stay frozen")
    check_names(new, components)
    recipe = recipes.Recipe(settings=recipes.key_values(settings))
    fit, protocol = recipe.refit()

    from vaebench.datasets.load import default_root
    from vaebench.run import start
    from vaebench.run.perform import Place

    folder = RunFolder(base)
    request = folder.request()
    choices = {**parse(request.compose).choices, **new.choices}
    refitted = msgspec.structs.replace(
        request,
        compose=str(Spec(choices)),
        fitting=fit,
        scoring=msgspec.structs.replace(request.scoring, **protocol),
        seed=request.seed if seed is None else seed,
        base=start.base_of(folder, frozen=True),
    )
    given = {*recipe.settings, *Training.__struct_fields__}  # the rest stays as it was trained
    place = Place(data_root or default_root(), device, out, resume, other_data, given)
    perform_and_show(refitted, components, place, progress, as_json, folder)
