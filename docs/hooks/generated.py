"""Writes into the site's pages what the code says of itself, so that nothing of it is kept by hand.

A page names what it wants by a comment, as ``<!-- parts prior -->``.
"""

import json
import re
import tomllib
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import Any

import click
from click.testing import CliRunner

import vaebench
from vaebench.cli import group

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WANTED = re.compile(r"^<!-- (\w+)(?: (\w+))? -->$", re.MULTILINE)
TITLES = {
    "encoder": "Encoders",
    "latent": "Latent layers",
    "prior": "Priors",
    "decoder": "Decoders",
    "likelihood": "Likelihoods",
    "objective": "Objectives",
    "kl": "KL of two normals",
    "kl-standard": "KL to the standard normal",
    "density": "Normal density",
    "estimator": "Bounds on log p(x)",
    "metric": "FID and KID",
}


def on_page_markdown(markdown: str, **about: Any) -> str:
    """Called by mkdocs with each page's text; returns it with its comments replaced."""
    return WANTED.sub(
        lambda match: WRITERS[match[1]](match[2]) if match[1] in WRITERS else match[0], markdown
    )


def command_line(*words: str) -> Any:
    """What ``vaebench WORDS --json`` prints."""
    answer = CliRunner().invoke(group, [*words, "--json"], catch_exceptions=False)
    if answer.exit_code:
        raise RuntimeError(f"vaebench {' '.join(words)} failed: {answer.output}")
    return json.loads(answer.stdout)


def cell(text: object) -> str:
    """Text that means itself in Markdown, in a table too; ``code`` between two backticks stays code."""
    plain = re.sub(r"[|*_\[\]`\\{}]", lambda match: f"&#{ord(match[0])};", escape(str(text), quote=False))
    return re.sub(r"&#96;&#96;(.+?)&#96;&#96;", r"<code>\1</code>", plain)


def table(titles: list[str], rows: list[list[str]]) -> str:
    """A table of cells that are Markdown already."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parts(kind: str | None) -> str:
    """Every part of a kind that is installed, under a heading of its own."""
    entries = command_line("list", str(kind))["entries"]
    return "\n\n".join(part(command_line("show", f"{kind}={entry['name']}")) for entry in entries)


def part(about: dict[str, Any]) -> str:
    """One part, from what ``vaebench show`` says of it."""
    says = re.split(r"\s:(?:param|raises|returns?)\b", about["says"])[0]
    facts = [f"`{about['target']}`, of {cell(about['package'])}"]
    if about["paper"]:
        facts.append(f"After {cell(about['paper'])}")
    for slot, names in about["composes_with"].items():
        facts.append(
            f"With `{slot}`: {', '.join(f'`{name}`' for name in names) or 'nothing that is installed'}"
        )
    blocks = [
        f"## {about['name']} {{#{about['kind']}-{about['name']}}}",
        f"*{cell(about['summary'])}*",
        cell(says),
        "\n".join(f"- {fact}" for fact in facts),
    ]
    if about["parameters"]:
        blocks.append(parameters(about["parameters"]))
    return "\n\n".join(blocks)


def parameters(taken: list[dict[str, Any]]) -> str:
    """The table of a part's or a table's parameters."""
    rows = [
        [
            f"`{p['name']}`",
            "required" if p["default"] is None else f"`{p['default'] or '(empty)'}`",
            cell(p["accepts"]),
            cell(p["meaning"]),
        ]
        for p in taken
    ]
    return table(["parameter", "default", "takes", "meaning"], rows)


def settings(name: str | None) -> str:
    """The settings of training or of scoring."""
    import vaebench.settings
    from vaebench.composing.parameters import REQUIRED, parameters_of, text

    taken = parameters_of(getattr(vaebench.settings, str(name)))
    return parameters(
        [
            {
                "name": p.name,
                "default": None if p.default is REQUIRED else text(p.default),
                "accepts": p.accepts,
                "meaning": p.meaning,
            }
            for p in taken.values()
        ]
    )


def fitting(_: str | None) -> str:
    """The defaults of fitting a prior that differ from those of training."""
    from vaebench.composing.parameters import text
    from vaebench.settings import FITTING, Training

    plain = Training()
    differing = [name for name in FITTING.__struct_fields__ if getattr(FITTING, name) != getattr(plain, name)]
    rows = [[f"`fit.{name}`", f"`{text(getattr(FITTING, name))}`"] for name in differing]
    return table(["setting", "default"], rows)


def commands(_: str | None) -> str:
    """The help of every command."""
    blocks = []
    for name, command in sorted(group.commands.items()):
        if not command.hidden:
            context = click.Context(
                command, info_name=f"vaebench {name}", max_content_width=92, terminal_width=92
            )
            blocks.append(f"## {name} {{#{name}}}\n\n```output\n{command.get_help(context)}\n```")
    return "\n\n".join(blocks)


def files(kind: str | None) -> str:
    """The recipes or tracks that are shipped, with links to their files."""
    package = Path(vaebench.__file__).parent
    places = {path.stem: path.relative_to(package) for path in package.rglob("*.toml")}
    rows = [
        [f"[`{name}`](../../vaebench/{places[name].as_posix()})", cell(summary)]
        for name, summary in command_line("list", str(kind)).items()
    ]
    return table(["name", "what it is"], rows)


def source(name: str | None) -> str:
    """A module of vaebench as it stands in its file."""
    text = (Path(vaebench.__file__).parent / f"{name}.py").read_text(encoding="utf-8")
    return f"```python\n{text}```"


def laws(_: str | None) -> str:
    """Every law, its promise, the equation that it checks, and how often it is tried."""
    from vaebench.testing.laws import LAWS, PARTS

    shared = [law for law in next(iter(PARTS.values())) if all(law in laws for laws in PARTS.values())]
    groups = {"every": ("Every part", shared)}
    for kind, each in LAWS.items():
        groups[kind] = (TITLES.get(kind, kind), [law for law in each if law not in shared])
    known = equations()
    blocks = []
    for kind, (title, each) in groups.items():
        blocks.append(f"## {title} {{#{kind}}}")
        blocks += [law_block(kind, law, known.get(kind, {}).get(law.name)) for law in each]
    return "\n\n".join(blocks)


def equations() -> dict[str, dict[str, str]]:
    """Kind -> law -> the equation that it checks."""
    return tomllib.loads((HERE / "equations.toml").read_text(encoding="utf-8"))


def anchor(kind: str, law: str) -> str:
    """The anchor of a law on its page."""
    return f"{kind}-{'-'.join(re.findall('[a-z0-9]+', law.lower()))}"


def law_block(kind: str, law: Any, equation: str | None) -> str:
    """One law."""
    examples = f"{law.tries} examples" if law.examples is not None else "asked once"
    blocks = [f"### {cell(law.name)} {{#{anchor(kind, law.name)}}}", cell(law.promise)]
    if equation:
        blocks.append(f"```text\n{equation.strip()}\n```")
    blocks.append(f"*{cell(law.where)}; {examples}.*")
    return "\n\n".join(blocks)


WRITERS: dict[str, Callable[[str | None], str]] = {
    "parts": parts,
    "settings": settings,
    "fitting": fitting,
    "commands": commands,
    "files": files,
    "laws": laws,
    "source": source,
}
