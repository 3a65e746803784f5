"""``vaebench import``: make a run from another project's weights."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from vaebench.cli.options import FOLDER, data_root_, device_, settings_
from vaebench.errors import UsageError

if TYPE_CHECKING:
    from vaebench.requests.recipes import Recipe


@click.command("import", short_help="Import another project's weights.")
@click.argument("project")
@click.argument("checkpoint", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--layout", help="Name of the released network that the weights belong to.")
@click.option("--recipe", metavar="FILE", help="Recipe of the network, instead of --layout.")
@click.option("--data", metavar="DATA", help="Data set [default: that of the layout or recipe].")
@settings_
@click.option("--out", type=FOLDER, help="Run folder [default: a new folder under runs/].")
@device_
@data_root_
def import_(
    project: str,
    checkpoint: Path,
    layout: str | None,
    recipe: str | None,
    data: str | None,
    settings: tuple[str, ...],
    out: Path | None,
    device: str,
    data_root: Path | None,
) -> None:
    """Make a run from PROJECT's weights in the file CHECKPOINT, to score it, sample it or train it further.

    PROJECT is vdvae (openai/vdvae; layouts cifar10, imagenet32, imagenet64, ffhq256). CHECKPOINT is a torch
    or safetensors file of named tensors, with plain or averaged weights. No code in the file is executed.

    \b
      vaebench import vdvae cifar10-ema.th --layout cifar10 --out runs/released
      vaebench eval runs/released --set samples=1
      vaebench run --from runs/released --data folder:photos,size=32
    """
    import shlex

    import msgspec

    from vaebench import registry
    from vaebench.imports import PROJECTS
    from vaebench.requests import recipes

    network = _network(project, layout, recipe)
    network = network.overridden(compose=None, data=data, seed=None, settings=recipes.key_values(settings))
    if network.data is None:
        raise UsageError("give --data, a data set whose images have the size that these weights expect")
    components = registry.load()
    network.check_names(components)

    from vaebench.datasets.load import default_root
    from vaebench.requests.request import Base
    from vaebench.run import start
    from vaebench.run.folder import RunFolder
    from vaebench.run.prepare import prepare
    from vaebench.training.checkpoint import weights_sha256

    tensors = PROJECTS[project].translated(start.read_tensors(checkpoint))
    prepared, model = prepare(network.request(), components, data_root or default_root(), device)
    start.refuse_unfit(model, tensors, str(checkpoint))
    model.load_state_dict(tensors)
    named = ["--layout", layout] if layout is not None else ["--recipe", str(recipe)]
    words = ["vaebench", "import", project, str(checkpoint), *named, "--data", str(network.data)]
    base = Base(weights_sha256=weights_sha256(model.state_dict()), command=shlex.join(words), frozen=False)
    request = msgspec.structs.replace(prepared.request, base=base)
    folder = RunFolder(out or Path("runs") / request.folder_name)
    with folder.locked():
        if folder.request_file.exists():
            raise UsageError(f"{folder.path} already holds a run; give another --out")
        start.save_imported(folder, model.state_dict(), prepared.data.image)
        folder.write_request(request)
    click.echo(f"imported     {len(tensors)} tensors, {sum(t.numel() for t in tensors.values())} values")
    click.echo(f"folder       {folder.path}")
    click.echo(f"next         vaebench eval {folder.path}")


def _network(project: str, layout: str | None, recipe: str | None) -> "Recipe":
    """Read the recipe of the network that ``--layout`` or ``--recipe`` names.

    :raises UsageError: where neither or both are given, or a name is unknown
    """
    from vaebench.imports import PROJECTS
    from vaebench.requests import recipes
    from vaebench.text import nearest

    if project not in PROJECTS:
        raise UsageError(
            f"unknown project {project}; available: {', '.join(PROJECTS)}{nearest(project, PROJECTS)}"
        )
    layouts = PROJECTS[project].layouts
    if (layout is None) == (recipe is None):
        raise UsageError(f"give either --layout (one of {', '.join(layouts)}) or --recipe FILE")
    if layout is not None and layout not in layouts:
        raise UsageError(
            f"--layout {layout}: one of {', '.join(layouts)} is expected{nearest(layout, layouts)}"
        )
    return recipes.read(recipes.find(layouts[layout] if layout is not None else str(recipe)))
