"""The notebooks run from top to bottom, cut to seconds, each in a fresh process and folder."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import vaebench

from .notebook import cells

ROOT = Path(vaebench.__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))
RUNNER = Path(__file__).with_name("notebook.py")


def run(path: Path, folder: Path, *tag: str) -> str:
    """What a notebook prints, run two folders below a place where the boards are."""
    inside = folder / "docs" / "notebooks"
    inside.mkdir(parents=True)
    (folder / "leaderboards").symlink_to(ROOT / "leaderboards")
    scripts = str(Path(sys.executable).parent)
    environment = os.environ | {
        "VAEBENCH_QUICK": "1",
        "MPLBACKEND": "agg",
        "OMP_NUM_THREADS": "1",
        "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}",
    }
    done = subprocess.run(
        [sys.executable, "-W", "error", RUNNER, path, *tag],
        cwd=inside,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_runs(path: Path, tmp_path: Path) -> None:
    run(path, tmp_path)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda p: p.stem)
def test_the_notebook_is_stored_without_outputs(path: Path) -> None:
    stored = json.loads(path.read_text(encoding="utf-8"))
    assert stored["nbformat"] == 4
    for cell in stored["cells"]:
        assert cell["cell_type"] in ("markdown", "code")
        assert not cell.get("outputs")
        assert cell.get("execution_count") is None


def test_there_are_four() -> None:
    assert len(NOTEBOOKS) == 4


def test_quick_is_read_in_one_visible_line() -> None:
    for path in NOTEBOOKS:
        lines = [line for cell in cells(path) for line in cell.splitlines() if "VAEBENCH_QUICK" in line]
        assert lines in ([], ['QUICK = bool(os.environ.get("VAEBENCH_QUICK"))'])
