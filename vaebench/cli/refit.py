"""``vaebench refit``: another prior on a trained model."""

from pathlib import Path

import click

from vaebench.cli.options import FOLDER, as_json_, data_root_, device_, other_data_, progress_, settings_
from vaebench.cli.runs import perform_and_show
from vaebench.errors import UsageError


@click.command()
@click.argument("base", metavar="RUN", type=FOLDER)
@click.option(
    "--prior", metavar="SPEC", required=True, help="As pixelcnn or pixelcnn,prior.width=32,prior.layers=4."
)
@click.option("--seed", type=click.IntRange(0, 2**62), help="Of the fit [default: RUN's].")
@settings_
@click.option("--out", type=FOLDER, help="The new run's folder [default: under runs/].")
@click.option("--resume", is_flag=True, help="Go on where an interrupted refit stopped.")
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
    """Fit another prior to the latents of folder RUN, everything else frozen, and score the whole.

    It becomes a run with a record of its own. Settings of the fit begin with fit., as in fit.epochs=10.

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
        raise UsageError(f"--prior {prior}: only the prior can be fitted anew")
    check_names(new, components)
    plan = recipes.Recipe(settings=recipes.key_values(settings))
    fit, protocol = plan.refit()

    from vaebench.datasets.load import default_root
    from vaebench.run import start
    from vaebench.run.perform import Place

    folder = RunFolder(base)
    request = folder.request()
    choices = {**parse(request.compose).choices, **new.choices}
    asked = msgspec.structs.replace(
        request,
        compose=str(Spec(choices)),
        fitting=fit,
        scoring=msgspec.structs.replace(request.scoring, **protocol),
        seed=request.seed if seed is None else seed,
        base=start.base_of(folder, frozen=True),
    )
    asked_for = {*plan.settings, *Training.__struct_fields__}  # the rest is as it was trained
    place = Place(data_root or default_root(), device, out, resume, other_data, asked_for)
    perform_and_show(asked, components, place, progress, as_json, folder)
