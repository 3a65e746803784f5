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
ALLOWED = {
    "errors": set(),
    "hookspecs": set(),
    "files": set(),
    "locks": {"errors"},
    "sealed": set(),
    "noise": set(),
    "settings": set(),
    "maths": set(),
    "builtins": {"hookspecs"},
    "distributions": {"maths", "noise"},
    "images": set(),
    "terms": {"distributions", "noise"},
    "contracts": {"distributions", "images", "noise", "terms"},
    "registry": {"errors", "hookspecs"},
    "parameters": {"errors", "registry"},
    "spec": {"errors", "parameters", "registry"},
    "tables": {"errors", "registry"},
    "records": {"errors", "sealed", "settings"},
    "sources": {"registry", "spec"},
    "leaderboard": {"errors", "files", "locks", "records", "tables"},
    "runs": {"errors", "files", "locks", "sealed", "settings", "spec"},
    "recipes": {"errors", "parameters", "registry", "runs", "settings", "spec", "tables"},
    "tracks": {"errors", "parameters", "registry", "runs", "settings", "spec", "tables"},
    "blocks": BASE,
    **{part: BASE | {"blocks", part} for part in PARTS},
    "datasets": {"contracts", "errors", "registry", "parameters"},
    "data": {"contracts", "errors", "parameters", "registry", "spec"},
    "model": {"contracts", "distributions", "noise"},
    "defaults": {"contracts", "errors", "registry", "spec"},
    "compose": {"contracts", "defaults", "errors", "model", "parameters", "registry", "settings", "spec"},
    "imports": set(),
    "training": {"blocks", "contracts", "errors", "files", "model", "noise", "settings"},
    "testing": BASE
    | {"compose", "evaluation", "model", "objectives", "parameters", "registry", "spec"}
    | {"latents", "priors"},
    "evaluation": BASE
    | {"data", "datasets", "files", "model", "records", "registry", "runs", "settings", "training"},
}
LIGHT = (
    "errors",
    "hookspecs",
    "registry",
    "parameters",
    "spec",
    "settings",
    "records",
    "runs",
    "recipes",
    "files",
    "locks",
    "sealed",
    "sources",
    "tables",
    "tracks",
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
    above = used - ALLOWED.get(room(path), used) - {room(path)}
    assert not above, f"{room(path)} imports {sorted(above)}"
    assert "cli" not in used or room(path) in ("cli", "__main__")


@pytest.mark.parametrize("path", [p for p in FILES if room(p) in LIGHT], ids=lambda p: p.name)
def test_light_rooms_import_nothing_heavy(path: Path) -> None:
    assert not {name.split(".")[0] for name in imported(path)} & HEAVY


def test_no_room_compares_a_parts_name() -> None:
    """Model, training and evaluation work through contracts; a branch on a name would be a second one."""
    from vaebench import registry

    names = {r.entry.name for r in registry.load().entries() if r.entry.kind != "dataset"}
    for path in FILES:
        if room(path) not in ("model", "training", "evaluation", "runner", "contracts"):
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                constants = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant)]
                assert not names & {c for c in constants if isinstance(c, str)}, f"{path.name}:{node.lineno}"
