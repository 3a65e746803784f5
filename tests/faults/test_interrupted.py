"""Killed, or refused by the disk, at operations of every sort: the next start ends in the same bytes.

``python -m tests.benchmarks.faults`` tries every operation of every command.
"""

from pathlib import Path

import pytest

from tests.faults import scenes
from tests.faults.scenes import Scene, Stage
from tests.faults.shim import How


@pytest.mark.parametrize(
    ("scene", "how", "every"),
    [
        (scenes.RUN, "kill", 24),
        (scenes.RUN, "full", 16),
        (scenes.RUN, "error", 16),
        (scenes.SUBMIT, "kill", 1),
        (scenes.SUBMIT, "full", 1),
        (scenes.BOARD, "kill", 5),
    ],
    ids=lambda value: value.name if isinstance(value, Scene) else str(value),
)
def test_a_disturbed_command_ends_as_an_undisturbed_one(
    scene: Scene, how: How, every: int, tmp_path: Path
) -> None:
    stage = Stage(scene, tmp_path)
    assert {"write", "replace"} <= set(stage.operations)
    for fault in stage.points(how, every):
        stage.disturbed(fault)
