"""Several processes at once: a run's folder has one, a board takes all."""

from pathlib import Path

import pytest

from tests.command import call
from tests.faults.child import Call
from tests.faults.scenes import FLAT, QUICK
from tests.faults.submitters import crowd


def test_processes_that_submit_at_once_lose_tear_and_double_nothing(tmp_path: Path) -> None:
    crowd(tmp_path / "boards", 4, 10)


@pytest.mark.parametrize("verb", ["run", "resume", "refit"])
def test_a_folder_in_use_is_refused_and_free_after_a_kill(
    verb: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "run"
    asked = ["run", "--compose", FLAT, *QUICK, "--out", folder]
    words = {
        "run": asked,
        "resume": ["run", "--resume", "--out", folder],
        "refit": ["refit", tmp_path / "absent", "--prior", "normal", "--out", folder],
    }[verb]
    first = Call([*asked, "--steps", 10**6])
    while not (folder / "run.json").exists():
        assert first.wait(0.02) is None
    assert call(*words) == 4
    assert capsys.readouterr().err == f"vaebench: {folder} is in use by another process\n"
    first.kill()
    assert call(*asked, "--steps", 2) == 2
    assert "contains another run" in capsys.readouterr().err
