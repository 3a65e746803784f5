"""Imports run downwards only, and light rooms stay light."""

import ast
from pathlib import Path

import pytest

import vaebench

PACKAGE = Path(vaebench.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))

# What each room may import of vaebench at module level; a room is a file or a folder under vaebench/.
PARTS = ("encoders", "latents", "priors", "decoders", "likelihoods", "objectives")
BASE = {"errors", "hookspecs", "noise", "maths", "distributions", "contracts"}
TEXTS = {"errors", "text"}
BELOW_RUN = BASE | TEXTS | {"blocks", "composing", "datasets", "evaluation", "model", "pictures", "records"}
BELOW_RUN |= {"registry", "requests", "settings", "storage", "training"}
ALLOWED = {
    "errors": set(),
    "hookspecs": set(),
    "interrupts": set(),
    "text": set(),
    "noise": set(),
    "settings": {"storage"},
    "maths": set(),
    "storage": TEXTS,
    "builtins": {"hookspecs"},
    "distributions": {"maths", "noise"},
    "images": set(),
    "terms": {"distributions", "noise"},
    "contracts": {"distributions", "images", "noise", "terms"},
    "registry": TEXTS | {"hookspecs"},
    "records": {"errors", "settings", "storage"},
    "model": {"contracts", "distributions", "noise"},
    "composing": TEXTS | {"contracts", "hookspecs", "model", "registry", "settings"},
    "requests": TEXTS | {"composing", "registry", "settings", "storage"},
    "leaderboard": {"composing", "errors", "hookspecs", "records", "settings", "storage"},
    "blocks": BASE,
    **{part: BASE | {"blocks", part} for part in PARTS},
    "datasets": TEXTS | {"composing", "contracts", "registry", "storage"},
    "imports": set(),
    "training": BASE | {"blocks", "interrupts", "model", "settings", "storage"},
    "evaluation": BASE
    | TEXTS
    | {"datasets", "model", "records", "registry", "settings", "storage", "training"},
    "pictures": BASE | TEXTS | {"evaluation", "model", "records", "settings"},
    "testing": BASE
    | TEXTS
    | {"composing", "evaluation", "latents", "model", "objectives", "priors", "registry"},
    "run": BELOW_RUN,
    "bench": BELOW_RUN | {"leaderboard", "run"},
    "progress": {"contracts", "run"},
    "face": BELOW_RUN | {"images", "leaderboard", "progress", "run"},
    "cli": None,
    "__init__": set(),
    "__main__": {"cli"},
}
"""Room -> what it may import; None: everything."""
# Files and folders that never import torch, or anything else that is slow to import.
LIGHT = (
    "errors",
    "hookspecs",
    "interrupts",
    "text",
    "registry",
    "settings",
    "records",
    "composing/spec",
    "composing/parameters",
    "composing/sources",
    "requests",
    "run/events",
    "run/folder",
    "storage",
)
HEAVY = {"torch", "torchvision", "torch_fidelity", "sklearn", "matplotlib", "pandas", "scipy", "PIL"}


def room(path: Path) -> str:
    first = path.relative_to(PACKAGE).parts[0]
    return first.removesuffix(".py")


def imported(path: Path) -> list[str]:
    """Modules that a file imports when it is imported itself (those inside functions do not count)."""
    names: list[str] = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            whole = node.module == "vaebench"
            names += [f"vaebench.{alias.name}" for alias in node.names] if whole else [node.module]
    return names


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downwards(path: Path) -> None:
    used = {name.split(".")[1] for name in imported(path) if name.startswith("vaebench.")}
    allowed = ALLOWED[room(path)]
    above = set() if allowed is None else used - allowed - {room(path)}
    assert not above, f"{room(path)} imports {sorted(above)}"


def test_every_room_is_in_the_plan() -> None:
    assert {room(path) for path in FILES} == set(ALLOWED)


def light(path: Path) -> bool:
    place = path.relative_to(PACKAGE).with_suffix("").as_posix()
    return any(place == name or place.startswith(f"{name}/") for name in LIGHT)


@pytest.mark.parametrize("path", [p for p in FILES if light(p)], ids=lambda p: str(p.relative_to(PACKAGE)))
def test_light_rooms_import_nothing_heavy(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & HEAVY


def test_no_room_compares_a_parts_name() -> None:
    """Model, training and evaluation work through contracts; a branch on a name would be a second one."""
    from vaebench import registry

    names = {r.entry.name for r in registry.load().entries() if r.entry.kind != "dataset"}
    for path in FILES:
        if room(path) not in ("model", "training", "evaluation", "run", "contracts"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                assert not names & {c for c in constants if isinstance(c, str)}, f"{path.name}:{node.lineno}"
