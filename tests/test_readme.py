"""The README's commands work as they stand; only training is cut short."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(?:sh|bash)\n(.*?)```", README, re.DOTALL)
LINES = [line for block in BLOCKS for line in block.splitlines() if line.strip() and not line.startswith("#")]


def test_ci_runs_the_readmes_test_command() -> None:
    (command,) = [line for line in LINES if "pytest -n" in line]
    assert command in (ROOT / ".ci" / "run").read_text()


def test_the_first_command_is_the_main_job() -> None:
    assert "vaebench run --compose enc=resnet,latent=topdown,prior=normal" in LINES[0]


def test_every_vaebench_command_runs(tmp_path: Path) -> None:
    """In order, in an empty folder. The first line's set-up is what made this interpreter."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "VAEBENCH_DATA": str(tmp_path / "data")}
    (recipe,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "mine.toml").write_text(recipe)
    ran = 0
    for line in LINES:
        words = shlex.split(line.split("&&")[-1], comments=True)
        if not words or Path(words[0]).name != "vaebench":
            continue
        if "mnist" in line or "folder:" in line or "cifar10" in line:
            continue  # needs data that a clone does not have
        if words[1] == "run" and "--resume" not in words:
            words += ["--steps", "2", "--set", "fid_images=40", "--set", "samples=2"]
            words += ["--set", "fit.steps=2"] if "prior=pixelcnn" in line else []
        command = [sys.executable, "-c", "from vaebench.cli import main; main()", *words[1:]]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{line}\n{done.stderr}"
        ran += 1
    assert ran >= 8


@pytest.mark.parametrize("text", re.findall(r"\]\(([^)h#][^)]*)\)", README))
def test_every_linked_file_is_there(text: str) -> None:
    assert (ROOT / text).exists()
