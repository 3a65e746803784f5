"""``vaebench run`` and ``eval``."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaebench.cli.options import FOLDER, as_json_, data_root_, device_, progress_, settings_
from vaebench.errors import DamagedError, UsageError, VaebenchError, refused

if TYPE_CHECKING:
    from collections.abc import Callable

    from vaebench.contracts import Dataset
    from vaebench.records import Record
    from vaebench.registry import Registry
    from vaebench.requests.recipes import Plan
    from vaebench.requests.request import Request
    from vaebench.run.folder import RunFolder
    from vaebench.run.prepare import Prepared


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
    from vaebench import registry
    from vaebench.requests import recipes
    from vaebench.run.folder import RunFolder

    if out is not None:
        RunFolder(out).refuse_if_in_use()  # before torch and the data are loaded
    known = registry.load()
    given = recipes.key_values(settings)
    given |= {k: str(v) for k, v in (("steps", steps), ("epochs", epochs)) if v is not None}
    asked_again = resume and out is not None and compose is None and recipe is None and base is None
    if not asked_again and ((compose is not None and recipe is not None) or not (compose or recipe or base)):
        raise UsageError(
            "give --compose SPEC, --recipe FILE or --from RUN (or --resume --out RUN to go on with a run)"
        )
    plan = recipes.Plan()
    if recipe is not None:
        plan = recipes.read(recipes.find(recipe))
    elif base is not None:
        plan = recipes.of_run(RunFolder(base).request())
    plan = plan.overridden(compose=compose, data=data, seed=seed, settings=given)
    if not asked_again:
        plan.check_names(known)
    _run(known, plan, base, out, resume, asked_again, device, data_root, progress, as_json)


def _run(
    known: "Registry",
    plan: "Plan",
    base: Path | None,
    out: Path | None,
    resume: bool,
    asked_again: bool,
    device: str,
    data_root: Path | None,
    progress: str,
    as_json: bool,
) -> None:
    from vaebench.datasets.load import default_root
    from vaebench.run import prepare as preparing
    from vaebench.run.folder import RunFolder

    root = data_root or default_root()
    if asked_again:
        assert out is not None
        if plan.given:
            raise UsageError(
                "--resume --out RUN goes on with what RUN was asked; leave the other options out"
            )
        prepared = preparing.prepare(RunFolder(out).request(), known, root, device)
    elif base is not None:
        _run_from(RunFolder(base), known, plan, root, out, resume, device, progress, as_json)
        return
    else:
        prepared = preparing.prepare(plan.request(), known, root, device)
    start(prepared, out, resume, progress, as_json, known)


def _run_from(
    base: "RunFolder",
    known: "Registry",
    plan: "Plan",
    root: Path,
    out: Path | None,
    resume: bool,
    device: str,
    progress: str,
    as_json: bool,
) -> None:
    import msgspec

    from vaebench.run import prepare as preparing
    from vaebench.run import start as starting

    request = msgspec.structs.replace(plan.request(), base=starting.base_of(base, frozen=False))
    prepared = preparing.prepare(request, known, root, device)
    starting.check(base, prepared.composition.build(request.training), prepared.data.image)
    start(prepared, out, resume, progress, as_json, known, lambda made: starting.keep(base, made))


def start(
    prepared: "Prepared",
    out: Path | None,
    resume: bool,
    progress: str,
    as_json: bool,
    known: "Registry",
    before: "Callable[[RunFolder], None]" = lambda folder: None,
) -> None:
    """Run what was prepared in its folder, held meanwhile, and say what came out.

    :param before: puts into a new folder what the run starts from
    """
    from vaebench import records
    from vaebench.cli.progress import reporter
    from vaebench.run import runner
    from vaebench.run.folder import RunFolder
    from vaebench.run.prepare import check_trainable

    folder = RunFolder(out or Path("runs") / prepared.request.folder_name)
    if not folder.record.exists():
        check_trainable(prepared)
    with folder.locked():
        finished = _existing(folder, prepared.request, resume)
        before(folder)
        said = reporter(progress)
        for note in prepared.data.notes:
            said.say(note)
        said.say(f"composition  {prepared.request.compose}")
        said.say(f"data         {prepared.request.data}: {_split(prepared.data)}")
        said.say(f"folder       {folder.path}")
        try:
            with said:
                record = finished or runner.run(prepared, folder, known, said)
        except BrokenPipeError:
            raise
        except OSError as error:
            kept = folder.request_file.exists()
            goes_on = (
                f"; what was kept goes on with: vaebench run --resume --out {folder.path}" if kept else ""
            )
            raise VaebenchError(f"{refused(error)}{goes_on}") from None
    if as_json:
        click.echo(records.to_json(record), nl=False)
    else:
        from vaebench.cli.summary import summary

        click.echo(summary(record, folder))


def _split(data: "Dataset") -> str:
    counts = [f"{len(getattr(data, s).images)} {s}" for s in ("train", "validation", "test")]
    image = data.image
    return (
        f"{', '.join(counts)} images of {image.channels}x{image.height}x{image.width}, {image.levels} levels"
    )


def _existing(folder: "RunFolder", request: "Request", resume: bool) -> "Record | None":
    """What the folder already holds: None to train, a record where the run is finished and resumed."""
    from vaebench import records

    if not folder.request_file.exists():
        if any(kept.is_dir() for kept in (folder.checkpoints, folder.fit_checkpoints)):
            raise DamagedError(
                f"{folder.path} holds checkpoints but no run.json that says of what; give another --out"
            )
        return None
    if folder.request() != request:
        raise UsageError(f"{folder.path} holds another run (see its run.json); give another --out")
    done = folder.record.exists()
    if not resume:
        what = "a finished run of just this" if done else "an interrupted run of just this"
        raise UsageError(f"{folder.path} holds {what}; add --resume, or give another --out")
    if not done:
        return None
    record = records.read(folder.record)
    return record if record.status == "ok" else None


@click.command("eval")
@click.argument("run", type=FOLDER)
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of scoring, as samples=1000."
)
@device_
@data_root_
@as_json_
def evaluate(
    run: Path, settings: tuple[str, ...], device: str, data_root: Path | None, as_json: bool
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

    changes = recipes.scoring_settings(recipes.key_values(settings))
    known = registry.load()
    prepared, model = runner.load(RunFolder(run), known, data_root or default_root(), device)
    asked = msgspec.structs.replace(prepared.request.scoring, **changes)
    protocol = scoring.settle(asked, prepared.data, model.latent.groups, known, prepared.device)
    with reporter() as said:
        scores, _ = scoring.score(model, prepared.data, protocol, known, said)
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(scores), indent=2))
    else:
        click.echo("\n".join(scores_lines(scores)))
