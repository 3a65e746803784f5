"""Pictures depend on no one's backend, settings file, folder, home or locale."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import matplotlib
import matplotlib.pyplot as plt
import pytest

from tests.command import call
from tests.faults.scenes import QUICK
from vaebench.pictures import rates
from vaebench.pictures.style import own_style

HOSTILE = """
text.usetex: True
figure.dpi: 37
savefig.dpi: 61
savefig.bbox: tight
font.size: 31
font.family: cursive
axes.formatter.use_locale: True
axes.facecolor: red
figure.facecolor: black
lines.linewidth: 9
image.cmap: hot
backend: nonsense
no.such.key: 3
"""
DRAWING = """
import sys
from vaebench.cli import main
vectors, codes, out = sys.argv[1:]
lines = [["sample", vectors], ["reconstruct", vectors], ["morph", vectors], ["traverse", vectors],
         ["latents", vectors], ["rates", vectors], ["codes", codes]]
for words in lines:
    device = [] if words[0] == "rates" else ["--device", "cpu"]
    sys.argv = ["vaebench", *words, *device, "--out", f"{out}/{words[0]}.png"]
    try:
        main()
    except SystemExit as left:
        if left.code:
            raise
"""
SMALL = "enc.hidden=8,dec=mlp,dec.hidden=8,lik=categorical"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Folders of a run with a vector and of one with codes."""
    root = tmp_path_factory.mktemp("runs")
    vectors, codes = f"enc=mlp,latent=gaussian,{SMALL}", "enc=conv,latent=vq,latent.codes=8,prior=uniform"
    for name, compose in (("vectors", vectors), ("codes", codes)):
        words = ("run", "--compose", compose, "--steps", 2, *QUICK, "--set", "extractor=off")
        assert call(*words, "--out", root / name) == 0
    return root / "vectors", root / "codes"


def drawn(runs: tuple[Path, Path], out: Path, changed: Mapping[str, str | None]) -> dict[str, bytes]:
    """Every picture, made by a process with this environment in the folder ``out``."""
    environment = {**os.environ, **{name: value for name, value in changed.items() if value is not None}}
    for name, value in changed.items():
        if value is None:
            environment.pop(name, None)
    pictures = out / "pictures"
    pictures.mkdir(parents=True)
    words = [sys.executable, "-c", DRAWING, *map(str, runs), str(pictures)]
    done = subprocess.run(words, env=environment, cwd=out, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return {path.name: path.read_bytes() for path in pictures.iterdir()}


@pytest.fixture(scope="module")
def due(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    clean = {"MPLBACKEND": None, "MATPLOTLIBRC": None}
    found = drawn(runs, tmp_path_factory.mktemp("clean"), clean)
    assert len(found) == 7
    return found


def test_a_notebooks_backend_and_a_hostile_settings_file_change_nothing(
    runs: tuple[Path, Path], due: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "hostile").write_text(HOSTILE)
    shutil.copy(tmp_path / "hostile", tmp_path / "matplotlibrc")
    changed = {
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "MATPLOTLIBRC": str(tmp_path / "hostile"),
        "LC_ALL": "de_DE.UTF-8",
    }
    assert drawn(runs, tmp_path, changed) == due


def test_a_backend_that_is_none_and_a_folder_that_cannot_be_written_change_nothing(
    runs: tuple[Path, Path], due: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    (tmp_path / "latin").write_bytes(b"font.family: \xe4\n")
    changed = {
        "MPLBACKEND": "nonsense",
        "MPLCONFIGDIR": str(tmp_path / "file"),
        "MATPLOTLIBRC": str(tmp_path / "latin"),
        "LC_ALL": "C",
        "PYTHONUTF8": "0",
        "PYTHONCOERCECLOCALE": "0",
    }
    assert drawn(runs, tmp_path, changed) == due


@pytest.fixture
def styled() -> Iterator[dict[str, object]]:
    """The settings of a person who draws in the same process."""
    with matplotlib.rc_context({"figure.dpi": 37, "font.size": 31, "savefig.dpi": 50, "image.cmap": "hot"}):
        yield dict(matplotlib.rcParams)


def test_a_persons_settings_neither_change_a_picture_nor_are_changed(
    styled: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "styled.png").write_bytes(rates.rates_png({"a@1": 1.0, "b@2": 2.0}, "title"))
    assert dict(matplotlib.rcParams) == styled
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        (tmp_path / "plain.png").write_bytes(rates.rates_png({"a@1": 1.0, "b@2": 2.0}, "title"))
    assert (tmp_path / "styled.png").read_bytes() == (tmp_path / "plain.png").read_bytes()
    assert plt.get_fignums() == []


def test_settings_come_back_after_a_failure(styled: dict[str, object]) -> None:
    @own_style()
    def fail() -> None:
        assert matplotlib.rcParams["font.size"] == 10
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert dict(matplotlib.rcParams) == styled
