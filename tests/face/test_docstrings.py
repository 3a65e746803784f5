"""The examples in the docstrings of the Python interface, run."""

import doctest
import shutil
from pathlib import Path
from types import FunctionType

import pytest

import vaebench as vb
from vaebench.face.tables import leaderboard

BOARDS = Path(vb.__file__).parents[1] / "leaderboards"
FUNCTIONS = {n: f for n in vb.__all__ if isinstance(f := getattr(vb, n), FunctionType)} | {
    "leaderboard": leaderboard
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_the_example_runs(name: str, tmp_path: Path) -> None:
    shutil.copytree(BOARDS / "records", tmp_path / "leaderboards" / "records")
    (test,) = doctest.DocTestFinder().find(FUNCTIONS[name], name, globs={})
    assert test.examples, f"{name} has no example"
    report: list[str] = []
    doctest.DocTestRunner().run(test, out=report.append)
    assert not report, "".join(report)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_parameter_is_told_of(name: str) -> None:
    told = FUNCTIONS[name].__doc__ or ""
    code = FUNCTIONS[name].__code__
    names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
    slots = {"encoder", "latent", "prior", "decoder", "likelihood", "objective"}
    assert [n for n in names if n not in slots and f":param {n}:" not in told] == []
    assert ":raises VaebenchError:" in told
