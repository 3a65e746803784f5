"""``vaebench new-plugin``: write a small working plugin package to start from."""

import keyword
from importlib.resources import files
from pathlib import Path
from string import Template

import click

from vaebench.errors import UsageError

_SUMMARIES = {
    "encoder": "two convolutions, two levels",
    "latent": "one map of normals with bounded standard deviation",
    "prior": "logistic latents",
    "decoder": "one upsampling step, two convolutions",
    "likelihood": "binomial pixels",
    "objective": "distortion + beta KL",
}


@click.command("new-plugin", short_help="Write a plugin package to start from.")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(_SUMMARIES)), required=True, help="Kind of component.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write [default: vaebench-NAME].",
)
def new_plugin(name: str, kind: str, out: Path | None) -> None:
    """Write a plugin package with a small working component, its tests and a CI workflow.

    The component passes vaebench check; replace it with your own.

    \b
      vaebench new-plugin mine --kind prior
      pip install -e 'vaebench-mine[test]'
      vaebench check prior=mine
    """
    from vaebench.registry import NAME, load

    if not NAME.fullmatch(name):
        raise UsageError(f"{name!r}: a name is lowercase letters, digits and hyphens, a letter first")
    if name in load().names(kind):
        raise UsageError(f"{kind} {name} already exists: {load().get(kind, name)}")
    package = f"vaebench-{name.removeprefix('vaebench-')}"
    folder = out or Path(package)
    if folder.exists() and any(folder.iterdir()):
        raise UsageError(f"{folder} already exists and is not empty; give another --out")
    for path, text in contents(name, kind, package).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    click.echo(f"wrote {folder}; the component is in {folder / package.replace('-', '_') / kind}.py")
    click.echo(f"next: pip install -e '{folder}[test]' && vaebench check {kind}={name}")


def contents(name: str, kind: str, package: str) -> dict[str, str]:
    """Return the files of the package: path -> text."""
    from vaebench.composing.slots import SLOTS

    module = package.replace("-", "_")
    class_name = "".join(word.capitalize() for word in name.split("-"))
    words = {
        "name": name,
        "kind": kind,
        "slot": next(slot for slot, other in SLOTS.items() if other == kind),
        "package": package,
        "module": module,
        "class_name": f"{class_name}{kind.capitalize()}" if keyword.iskeyword(class_name) else class_name,
        "summary": _SUMMARIES[kind],
    }
    sources = {
        "pyproject.toml": "pyproject.toml.txt",
        "README.md": "README.md.txt",
        f"{module}/__init__.py": "init.py.txt",
        f"{module}/{kind}.py": f"parts/{kind}.py.txt",
        "tests/test_laws.py": "test_laws.py.txt",
        ".github/workflows/test.yml": "workflow.yml.txt",
    }
    template = files("vaebench.cli") / "template"
    return {
        path: Template((template / source).read_text(encoding="utf-8")).substitute(words)
        for path, source in sources.items()
    }
