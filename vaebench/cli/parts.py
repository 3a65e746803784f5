"""``vaebench list`` and ``vaebench show``: the installed components, and the parameters of one."""

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vaebench.cli.options import as_json_, data_root_
from vaebench.errors import UsageError

if TYPE_CHECKING:
    from vaebench.registry import Registry


_SHIPPED = {
    word: f"vaebench.requests.{name}"
    for name in ("recipes", "tracks")
    for word in (name, name.removesuffix("s"))
}
"""Words that name the TOML files of a module."""


def _complete_kind(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench.hookspecs import KINDS

    return [kind for kind in (*KINDS, "recipes", "tracks") if kind.startswith(incomplete)]


def _complete_part(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench import registry

    words = [f"{r.entry.kind}={r.entry.name}" for r in registry.load().entries()]
    return [word for word in words if word.startswith(incomplete)]


@click.command("list", short_help="List the installed components and data sets.")
@click.argument("kind", required=False, shell_complete=_complete_kind)
@as_json_
def list_(kind: str | None, as_json: bool) -> None:
    """List the installed components and data sets, with the package of each.

    KIND is encoder, latent, prior, decoder, likelihood, objective, extractor or dataset. It can also be
    recipes, for the names that vaebench run --recipe accepts, or tracks, for those of vaebench bench.
    """
    from vaebench import registry
    from vaebench.face.tables import offers

    if kind in _SHIPPED:
        module = importlib.import_module(_SHIPPED[kind])  # a plain list does not import it
        _list_files({name: module.summary(path) for name, path in module.shipped().items()}, as_json)
        return

    components = registry.load()
    entries = offers(kind)
    if as_json:
        fields = ("kind", "name", "summary", "target")
        rows = [
            {**{f: getattr(r.entry, f) for f in fields}, "package": r.package, "version": r.version}
            for r in entries
        ]
        broken = [{"plugin": b.plugin, "package": b.package, "reason": b.reason} for b in components.broken]
        from vaebench.storage.strict_json import strict

        click.echo(strict({"entries": rows, "broken": broken}, indent=2))
        return
    table = [(r.entry.kind, r.entry.name, r.entry.summary, f"{r.package} {r.version}") for r in entries]
    widths = [max((len(row[i]) for row in table), default=0) for i in range(4)]
    for row in table:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    for same in components.duplicates:
        click.echo(
            f"duplicate: {same[0].entry.kind} {same[0].entry.name} of {' and of '.join(map(str, same))}",
            err=True,
        )
    for b in components.broken:
        click.echo(f"broken plugin: {b.plugin} of package {b.package}: {b.reason}", err=True)


def _list_files(summaries: dict[str, str], as_json: bool) -> None:
    if as_json:
        from vaebench.storage.strict_json import strict

        click.echo(strict(summaries, indent=2))
        return
    for name, summary in summaries.items():
        click.echo(f"{name.ljust(max(map(len, summaries)))}  {summary}")


@click.command(short_help="Show one component and its parameters.")
@click.argument("part", metavar="COMPONENT", shell_complete=_complete_part)
@data_root_
@as_json_
def show(part: str, data_root: Path | None, as_json: bool) -> None:
    """Show one component: its package, paper and parameters, and the components that it fits.

    COMPONENT is KIND=NAME or SLOT=NAME, as in latent=topdown or dataset=folder. A data set with arguments, as
    in data=folder:photos,size=64, is loaded, and its images, notes and classes are shown.
    """
    from vaebench import registry
    from vaebench.composing.parameters import REQUIRED, parameters_of, text
    from vaebench.face.tables import kind_named

    kind, equals, name = part.partition("=")
    if not equals:
        raise UsageError(f"{part}: write KIND=NAME, as in latent=topdown")
    components = registry.load()
    spec = name
    if kind_named(kind) == "dataset":
        name = re.split("[:,]", name)[0].strip()
    registered = components.get(kind_named(kind), name)
    target = components.resolve(registered.entry.kind, name)
    parameters = [
        {
            "name": p.name,
            "default": None if p.default is REQUIRED else text(p.default),
            "accepts": p.accepts,
            "meaning": p.meaning,
        }
        for p in parameters_of(target).values()
    ]
    about: dict[str, Any] = {
        "kind": registered.entry.kind,
        "name": name,
        "summary": registered.entry.summary,
        "package": f"{registered.package} {registered.version}",
        "target": registered.entry.target,
        "says": " ".join((target.__doc__ or "").split()),
        "paper": getattr(target, "paper", ""),
        "parameters": parameters,
        "composes_with": _fits(components, target),
    }
    if spec != name:
        about["data"] = _loaded(components, spec, data_root)
    if as_json:
        from vaebench.storage.strict_json import strict

        click.echo(strict(about, indent=2))
        return
    click.echo(f"{about['kind']} {name}: {about['summary']}\n{about['says']}\n")
    for label in ("package", "target", "paper"):
        if about[label]:
            click.echo(f"{label:10}{about[label]}")
    for other, names in about["composes_with"].items():
        click.echo(f"{'with':10}{other}: {', '.join(names) or 'nothing installed'}")
    click.echo("parameters" if parameters else "no parameters")
    for p in parameters:
        default = "required" if p["default"] is None else f"default {p['default'] or 'empty'}"
        click.echo(f"  {p['name']:14} {p['meaning']} ({p['accepts']}; {default})")
    if spec != name:
        click.echo("\n".join(_data_lines(about["data"])))


def _loaded(components: "Registry", text: str, data_root: Path | None) -> dict[str, Any]:
    """Load a data set and describe its content."""
    from dataclasses import asdict

    from vaebench.composing.spec import parse_data
    from vaebench.datasets import load as data

    spec, dataset = data.load(parse_data(text), components, data_root or data.default_root())
    return {
        "spec": str(spec),
        "image": asdict(dataset.image),
        "images": {name: len(getattr(dataset, name).images) for name in ("train", "validation", "test")},
        "classes": list(dataset.classes),
        "checksum": dataset.checksum,
        "files_sha256": dataset.files_sha256,
        "notes": list(dataset.notes),
    }


def _data_lines(data: dict[str, Any]) -> list[str]:
    from vaebench.text import one_line

    counts = ", ".join(f"{count} {name}" for name, count in data["images"].items())
    shape = "{channels}x{height}x{width}, {levels} levels".format(**data["image"])
    lines = [f"{'data':10}{data['spec']}", f"{'images':10}{counts}, of {shape}"]
    lines += [f"{'note':10}{note}" for note in data["notes"]]
    lines += ["classes"] if data["classes"] else []
    return lines + [f"  {number:<4} {one_line(name)}" for number, name in enumerate(data["classes"])]


def _fits(components: "Registry", target: Any) -> dict[str, list[str]]:
    """Slot -> the components that fit this one: the needs of both are met."""
    from vaebench.contracts import Component

    if not (isinstance(target, type) and issubclass(target, Component)):
        return {}
    from vaebench.composing.resolve import companions

    return companions(components, target)
