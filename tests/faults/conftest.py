"""A finished run, made once."""

from pathlib import Path

import pytest

from tests.command import call
from tests.faults.scenes import EVERY, FLAT, QUICK


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its folder, with two checkpoints; for reading."""
    folder = tmp_path_factory.mktemp("runs") / "finished"
    words = ["--steps", 3, *QUICK, *EVERY, "--set", "warmup=7", "--out", folder]
    assert call("run", "--compose", FLAT, *words) == 0
    return folder
