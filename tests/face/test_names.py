"""The package is a lazy face: names are there, typed and listed, and nothing heavy is imported for them."""

import ast
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

import pytest

import vaebench as vb

HEAVY = ("torch", "numpy", "pandas", "click", "rich", "msgspec")


def child(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_package_imports_nothing_heavy() -> None:
    code = f"import sys, vaebench; dir(vaebench); print([m for m in {HEAVY} if m in sys.modules])"
    assert child(code) == "[]"


def test_the_package_costs_little_beside_the_interpreter() -> None:
    def seconds(code: str) -> float:
        began = time.perf_counter()
        child(code)
        return time.perf_counter() - began

    pairs = [(seconds("import vaebench"), seconds("pass")) for _ in range(7)]
    assert median(ours for ours, _ in pairs) < 4 * median(bare for _, bare in pairs)


@pytest.mark.parametrize("name", vb.__all__)
def test_every_name_is_there_and_documented(name: str) -> None:
    assert name in dir(vb)
    assert getattr(vb, name).__doc__


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'vaebench' has no attribute 'compse'"):
        vb.compse  # type: ignore[attr-defined]  # noqa: B018


def test_type_checkers_see_the_names_that_are_there() -> None:
    """What is imported for them alone is just what ``__getattr__`` gives."""
    tree = ast.parse(Path(vb.__file__).read_text(encoding="utf-8"))
    (block,) = (n for n in tree.body if isinstance(n, ast.If))
    typed = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert set(typed) == set(vb.__all__) == set(vb._HOMES)
    elsewhere = {name for name in typed if typed[name] != vb._HOMES[name]}
    assert elsewhere == {"leaderboard"}  # a package, which can be called


@pytest.mark.parametrize(
    "before", ["", "import vaebench.leaderboard", "from vaebench.leaderboard import pages"]
)
def test_leaderboard_is_a_function_and_a_package(before: str) -> None:
    after = "import vaebench as vb\nprint(callable(vb.leaderboard))\nfrom vaebench.leaderboard import submit"
    code = f"{before}\n{after}"
    assert child(code) == "True"
