"""vaebench check: verdicts for a person and for a program, and its exit codes."""

import json
import sys
from pathlib import Path

import pytest

from vaebench import registry
from vaebench.cli import main

from .parts import with_parts
from .test_witnesses_likelihoods import RightEdge


class Called:
    """Calls the command line in this process; the registry holds a faulty likelihood as well."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys
        known = with_parts(("likelihood", "right-edge", RightEdge))
        monkeypatch.setattr(registry, "load", lambda: known)

    def __call__(self, *words: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["vaebench", "check", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        said = self.capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    return Called(monkeypatch, capsys)


def test_a_sound_part_is_one_line(check: Called) -> None:
    code, out, _ = check("objective=elbo", "--effort", "0.1")
    assert code == 0
    assert len(out.splitlines()) == 2
    assert "objective=elbo" in out
    assert "laws hold" in out
    assert "BROKEN" not in out


def test_a_faulty_part_is_shown_its_smallest_counter_example(check: Called) -> None:
    code, out, _ = check("likelihood=right-edge")
    assert code == 1
    assert "BROKEN  likelihood=right-edge: one pixel sums to one" in out
    for label in ("promised", "found", "for", "measured", "expected", "read"):
        assert f"        {label} " in out
    assert "levels=256" in out
    assert "Salimans" in out


def test_verdicts_are_json_as_well(check: Called) -> None:
    code, out, _ = check("likelihood=bernoulli", "--json", "--effort", "0.1")
    found = json.loads(out)
    assert code == 0
    assert {v["status"] for v in found} == {"holds", "does not apply"}
    assert all(v["promise"] and v["where"] and v["seconds"] >= 0 for v in found)


def test_what_does_not_apply_is_counted_and_on_request_listed(check: Called) -> None:
    assert "4 do not apply" in check("decoder=mlp", "--effort", "0.05")[1]
    verbose = check("decoder=mlp", "--effort", "0.05", "-v")[1]
    assert "n/a     decoder=mlp: no blind spot: it does not offer 'autoregressive'" in verbose
    assert "holds   decoder=mlp: state survives saving and loading" in verbose


def test_wrong_words_are_one_line(check: Called) -> None:
    code, out, err = check("prior=nromal")
    assert (code, out) == (2, "")
    assert err.startswith("vaebench: there is no prior nromal; available: ")
    assert err.endswith("(did you mean normal?)\n")


def test_without_hypothesis_the_extra_is_named(check: Called, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    code, _, err = check("prior=normal")
    assert code == 2
    assert err.count("\n") == 1
    assert "pip install 'vaebench[testing]'" in err


def test_only_the_kit_imports_hypothesis() -> None:
    import vaebench

    package = Path(vaebench.__file__).parent
    for path in package.rglob("*.py"):
        if path.parent.name not in ("testing", "laws") and path.name != "check.py":
            assert "hypothesis" not in path.read_text(encoding="utf-8").lower(), path
