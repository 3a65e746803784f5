"""vaebench new-plugin: what it writes is offered, keeps every law, and installs."""

import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from vaebench import registry
from vaebench.cli import main
from vaebench.hookspecs import COMPONENT_KINDS
from vaebench.registry import Registry, discover
from vaebench.testing.laws import PARTS
from vaebench.testing.report import lines
from vaebench.testing.run import judge
from vaebench.testing.subjects import subjects_of


def call(*words: object) -> int:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vaebench", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
    return int(left.value.code or 0)


def offered(folder: Path, package: str, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry with the package as an installer would have put it."""
    info = folder / f"{package.replace('-', '_')}-0.1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 0.1.0\n")
    module = package.replace("-", "_")
    (info / "entry_points.txt").write_text(f"[vaebench]\n{module} = {module}\n")
    monkeypatch.syspath_prepend(folder)
    found = discover(distributions(path=[str(folder)]))
    assert not found.broken
    return Registry([*registry.load().entries(), *found.entries()])


@pytest.mark.parametrize("kind", PARTS)
def test_each_kind_is_offered_and_keeps_every_law(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = f"first-{kind}"
    assert call("new-plugin", name, "--kind", kind, "--out", tmp_path) == 0
    assert f"vaebench check {kind}={name}" in capsys.readouterr().out
    known = offered(tmp_path, f"vaebench-{name}", monkeypatch)
    (subject,) = subjects_of(f"vaebench-{name}", known)
    assert str(subject) == f"{kind}={name}"
    found = [judge(law, subject, 0.4) for law in PARTS[kind]]
    assert not [line for v in found if v.status == "broken" for line in lines(v)]
    monkeypatch.setattr(registry, "load", lambda: known)
    space: dict[str, object] = {}
    exec((tmp_path / "tests" / "test_laws.py").read_text(), space)
    assert callable(space["test_laws"])
    workflow = (tmp_path / ".github" / "workflows" / "test.yml").read_text()
    assert "${{ matrix.python }}" in workflow
    assert f"vaebench check vaebench-{name}" in workflow
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or "$" not in path.read_text().replace("${{ matrix.python }}", "")


def test_it_installs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("setuptools")
    made, site = tmp_path / "made", tmp_path / "site"
    assert call("new-plugin", "mine", "--kind", "prior", "--out", made) == 0
    quiet = ["--quiet", "--no-deps", "--no-build-isolation", "--disable-pip-version-check"]
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", *quiet, "--target", site, made],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (entry,) = [e for d in distributions(path=[str(site)]) for e in d.entry_points]
    assert (entry.group, entry.value) == ("vaebench", "vaebench_mine")
    assert (site / "vaebench_mine" / "prior.py").is_file()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("Mine", "--kind", "prior"), "a name is lowercase letters"),
        (("normal", "--kind", "prior"), "prior normal already exists"),
        (("mine",), "Missing option '--kind'"),
        (("mine", "--kind", "dataset"), "is not one of"),
    ],
)
def test_wrong_wishes_are_refused_and_leave_nothing(
    words: tuple[str, ...], said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("new-plugin", *words, "--out", tmp_path / "x") == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_a_folder_with_something_in_it_is_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    assert call("new-plugin", "mine", "--kind", "prior", "--out", tmp_path) == 2
    assert "not empty" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_there_is_a_template_for_every_kind_that_has_laws() -> None:
    assert set(PARTS) == set(COMPONENT_KINDS) - {"extractor"}
