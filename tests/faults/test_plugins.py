"""Broken plugins, all at once, beside a whole one: the command line works, and names their packages."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.test_registry import BROKEN, GOOD, Site
from vaebench.hookspecs import INTERFACE

FAULTS = ("import", "syntax", "exit", "interface")


def listed(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    code = "from vaebench.cli import main; main()"
    path = os.pathsep.join([str(folder), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, env=environment
    )


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = Site(tmp_path_factory.mktemp("site"))
    for how, (source, _) in BROKEN.items():
        site.install(f"bad-{how}", source)
    site.install("good", GOOD)
    site.install("twin", GOOD)
    return site.folder


def test_everything_else_is_listed_and_the_broken_packages_are_named(place: Path) -> None:
    alone = json.loads(listed(place.parent, "list", "--json").stdout)
    ended = listed(place, "list", "--json")
    assert ended.returncode == 0, ended.stderr
    told = json.loads(ended.stdout)
    assert [
        e for e in told["entries"] if e["package"] not in ("good 1.0", "twin 1.0", "good", "twin")
    ] == alone["entries"]
    assert {b["package"] for b in told["broken"]} >= {f"bad-{how}" for how in FAULTS}
    assert {b["package"] for b in told["broken"]} == {f"bad-{how}" for how in BROKEN}
    said = listed(place, "list")
    for how in FAULTS:
        assert f"of package bad-{how}: " in said.stderr
    assert "Traceback" not in said.stderr


def test_a_name_that_two_packages_offer_is_refused_when_asked_for(place: Path) -> None:
    ended = listed(place, "run", "--compose", "enc=mlp,prior=good-prior")
    assert ended.returncode == 2
    assert "good-prior is offered by good 1.0" in ended.stderr
    assert "and by twin 1.0" in ended.stderr


@pytest.mark.parametrize("said", [INTERFACE + 1, 0, "'1'", "True", 1.0, None])
def test_another_interface_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: object) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install(f"other-{abs(hash(repr(said)))}", f"VAEBENCH_INTERFACE = {said}\n{GOOD}")
    registry = site.registry()
    assert not registry.entries()
    (broken,) = registry.broken
    assert f"VAEBENCH_INTERFACE = {said}: this vaebench has interface {INTERFACE}" in broken.reason


def test_this_interface_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    site = Site(tmp_path)
    site.install("same-interface", f"VAEBENCH_INTERFACE = {INTERFACE}\n{GOOD}")
    assert not site.registry().broken
    assert len(site.registry().entries()) == 2
