"""``vaebench list`` and ``vaebench show``: what there is, and what a part takes."""

import re
from pathlib import Path
from typing import Any

import click

from vaebench.cli.options import data_root_
from vaebench.errors import UsageError


def _complete_kind(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench.hookspecs import KINDS

    return [kind for kind in (*KINDS, "recipes", "tracks") if kind.startswith(incomplete)]


def _complete_part(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from vaebench import registry

    words = [f"{r.entry.kind}={r.entry.name}" for r in registry.load().entries()]
    return [word for word in words if word.startswith(incomplete)]


@click.command("list")
@click.argument("kind", required=False, shell_complete=_complete_kind)
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def list_(kind: str | None, as_json: bool) -> None:
    """What there is to compose: every part and data set, and the package it comes from.

    KIND is encoder, latent, prior, decoder, likelihood, objective, extractor or dataset; recipes lists what
    vaebench run --recipe NAME knows, tracks what vaebench bench NAME does.
    """
    from vaebench import registry
    from vaebench.face.tables import offers
    from vaebench.requests import recipes, tracks

    for room, words in ((recipes, ("recipe", "recipes")), (tracks, ("track", "tracks"))):
        if kind in words:
            _list_files({name: room.summary(path) for name, path in room.shipped().items()}, as_json)
            return

    known = registry.load()
    entries = offers(kind)
    if as_json:
        fields = ("kind", "name", "summary", "target")
        rows = [
            {**{f: getattr(r.entry, f) for f in fields}, "package": r.package, "version": r.version}
            for r in entries
        ]
        broken = [{"plugin": b.plugin, "package": b.package, "reason": b.reason} for b in known.broken]
        from vaebench.storage.strict_json import strict

        click.echo(strict({"entries": rows, "broken": broken}, indent=2))
        return
    table = [(r.entry.kind, r.entry.name, r.entry.summary, f"{r.package} {r.version}") for r in entries]
    widths = [max((len(row[i]) for row in table), default=0) for i in range(4)]
    for row in table:
        click.echo("  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip())
    for same in known.duplicates:
        click.echo(
            f"offered twice: {same[0].entry.kind} {same[0].entry.name}, by {' and '.join(map(str, same))}",
            err=True,
        )
    for b in known.broken:
        click.echo(f"broken plugin: {b.plugin} of package {b.package}: {b.reason}", err=True)


def _list_files(said: dict[str, str], as_json: bool) -> None:
    if as_json:
        from vaebench.storage.strict_json import strict

        click.echo(strict(said, indent=2))
        return
    for name, summary in said.items():
        click.echo(f"{name.ljust(max(map(len, said)))}  {summary}")


@click.command()
@click.argument("part", shell_complete=_complete_part)
@data_root_
@click.option("--json", "as_json", is_flag=True, help="Machine-readable output.")
def show(part: str, data_root: Path | None, as_json: bool) -> None:
    """One part: its package, paper, parameters, and what it composes with.

    PART is KIND=NAME or SLOT=NAME, as in latent=topdown or dataset=folder. With what a data set takes, as in
    data=folder:photos,size=64, it is loaded, and its images, notes and classes are shown.
    """
    from vaebench import registry
    from vaebench.composing.parameters import REQUIRED, parameters_of, text
    from vaebench.face.tables import kind_named

    kind, equals, name = part.partition("=")
    if not equals:
        raise UsageError(f"{part}: write KIND=NAME, as in latent=topdown")
    known = registry.load()
    asked = name
    if kind_named(kind) == "dataset":
        name = re.split("[:,]", name)[0].strip()
    found = known.get(kind_named(kind), name)
    target = known.resolve(found.entry.kind, name)
    takes = [
        {
            "name": p.name,
            "default": None if p.default is REQUIRED else text(p.default),
            "accepts": p.accepts,
            "meaning": p.meaning,
        }
        for p in parameters_of(target).values()
    ]
    about: dict[str, Any] = {
        "kind": found.entry.kind,
        "name": name,
        "summary": found.entry.summary,
        "package": f"{found.package} {found.version}",
        "target": found.entry.target,
        "says": " ".join((target.__doc__ or "").split()),
        "paper": getattr(target, "paper", ""),
        "parameters": takes,
        "composes_with": _fits(known, target),
    }
    if asked != name:
        about["data"] = _loaded(known, asked, data_root)
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
    click.echo("parameters" if takes else "no parameters")
    for p in takes:
        default = "required" if p["default"] is None else f"default {p['default'] or 'empty'}"
        click.echo(f"  {p['name']:14} {p['meaning']} ({p['accepts']}; {default})")
    if asked != name:
        click.echo("\n".join(_data_lines(about["data"])))


def _loaded(known: Any, asked: str, data_root: Path | None) -> dict[str, Any]:
    """What a data set holds."""
    from dataclasses import asdict

    from vaebench.composing.spec import parse_data
    from vaebench.datasets import load as data

    spec, dataset = data.load(parse_data(asked), known, data_root or data.default_root())
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


def _fits(known: Any, target: Any) -> dict[str, list[str]]:
    """Slot -> what this part can stand beside there: both its needs and theirs are met."""
    from vaebench.contracts import Part

    if not (isinstance(target, type) and issubclass(target, Part)):
        return {}
    from vaebench.composing.resolve import companions

    return companions(known, target)
