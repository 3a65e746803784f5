"""Everything that must not lose a run or a record, tried at length; exit 1 where something was lost:
OMP_NUM_THREADS=1 python -m tests.benchmarks.faults
"""

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from tests.faults import damage, scenes
from tests.faults.child import Call, call
from tests.faults.damage import flipped, truncated
from tests.faults.scenes import EVERY, FLAT, QUICK, Scene, Stage
from tests.faults.shim import How
from tests.faults.submitters import crowd
from vaebench.errors import InUseError
from vaebench.run.folder import RunFolder

FLIPS = 400
KILLS = 50
CROWD = (16, 200)
TESTS = Path(__file__).parents[1] / "faults"


class Row(NamedTuple):
    """A line of the table."""

    fault: str
    tried: str
    outcome: str
    good: bool
    seconds: float


@contextmanager
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="faults-") as made:
        yield Path(made)


def disturbed(scene: Scene, how: How, every: int) -> tuple[str, str]:
    """The scene under a fault at each operation, or each ``every``-th of each sort."""
    with folder() as root:
        stage = Stage(scene, root)
        faults = list(stage.points(how, every))
        for fault in faults:
            stage.disturbed(fault)
    of = f", one in {every}" if every > 1 else ""
    sorts = ", ".join(sorted({stage.operations[fault.at - 1] for fault in faults}))
    return f"{len(faults)} operations: {sorts}{of}", "ended the same, no litter"


def killed_at_random(scene: Scene) -> tuple[str, str]:
    with folder() as root:
        runs = Stage(scene, root).killed_at_random(KILLS, 0)
    return f"{KILLS} moments in {runs} runs", "weights' sha256 the same"


def damaged_run(how: damage.Damage) -> tuple[str, str]:
    with folder() as root:
        words = ["--compose", FLAT, "--steps", 3, *QUICK, *EVERY, "--out", root / "run"]
        assert call("run", *words).code == 0
        damage.checkpoints(root / "run", how, FLIPS)
        damage.rest_of_run(root / "run", how, FLIPS)
    return (
        f"{FLIPS} of checkpoints, {FLIPS} of weights, run.json, record.json",
        "all noticed, older checkpoint used",
    )


def damaged_board(how: damage.Damage) -> tuple[str, str]:
    with folder() as root:
        scenes.BOARD.prepare(root / "place")
        damage.board(root / "place" / "boards", how, FLIPS)
    return f"{FLIPS} of submitted records", "all noticed"


def submitted_at_once() -> tuple[str, str]:
    with folder() as root:
        crowd(root / "boards", *CROWD)
    return f"{CROWD[0]} processes, {CROWD[1]} records each", "none lost, torn or doubled"


def in_use() -> tuple[str, str]:
    with folder() as root:
        words = ["run", "--compose", FLAT, *QUICK, "--out", root / "run"]
        first = Call([*words, "--steps", 10**6])
        while not (root / "run" / "run.json").exists():
            assert first.wait(0.02) is None
        began = time.monotonic()
        refused = call(*words)
        took = time.monotonic() - began
        assert refused.code == 4, refused
        assert "is in use by another process" in refused.line
        began = time.monotonic()
        first.kill()
        while True:
            try:
                RunFolder(root / "run").refuse_if_in_use()
                break
            except InUseError:
                time.sleep(0.001)
        free = time.monotonic() - began
    assert max(took, free) < 1
    return "a second run; SIGKILL of the first", f"refused in {took:.2f} s, free in {free:.3f} s"


def tested(file: str) -> tuple[str, str]:
    command = [sys.executable, "-m", "pytest", str(TESTS / file)]
    ended = subprocess.run(command, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout[-300:]
    (cases,) = re.findall(r"(\d+) passed", ended.stdout)
    return f"{cases} cases", "refused by name; nothing else touched"


def rows(whole: bool) -> Iterator[tuple[str, Callable[[], tuple[str, str]]]]:
    """What is tried: its name, and what tries it.

    :param whole: at every operation of the longer scenes too
    """
    yield "SIGKILL at random: run", lambda: killed_at_random(scenes.LONG)
    for scene, kills, errors in (
        (scenes.RUN, 1, 1),
        (scenes.STAGES, 2, 8),
        (scenes.FURTHER, 4, 12),
        (scenes.REFIT, 4, 12),
        (scenes.IMPORT, 1, 2),
        (scenes.SUBMIT, 1, 1),
        (scenes.BOARD, 1, 1),
    ):
        for name, how, every in (
            ("SIGKILL", "kill", kills),
            ("disk full", "full", errors),
            ("I/O error", "error", errors),
        ):
            step = 1 if whole else every
            yield f"{name}: {scene.name}", lambda s=scene, h=how, e=step: disturbed(s, h, e)  # type: ignore[misc]
    for name, damage_of in (("flipped bits", flipped), ("truncations", truncated)):
        yield f"{name}: a run", lambda d=damage_of: damaged_run(d)  # type: ignore[misc]
        yield f"{name}: a board", lambda d=damage_of: damaged_board(d)  # type: ignore[misc]
    yield "submitting at once", submitted_at_once
    yield "a second run in the folder", in_use
    yield "broken plugins", lambda: tested("test_plugins.py")
    yield "a stranger's files", lambda: tested("test_strangers.py")


def tried(name: str, act: Callable[[], tuple[str, str]]) -> Row:
    began = time.monotonic()
    try:
        how_much, outcome = act()
        good = True
    except (AssertionError, pytest.fail.Exception) as error:
        how_much, outcome, good = "", f"FAILED: {' '.join(str(error).split())[:300]}", False
    return Row(name, how_much, outcome, good, time.monotonic() - began)


def main() -> None:
    """Print the table, a line as each fault has been tried; exit 1 where one was not survived."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--only", default="", metavar="WORD", help="faults whose name holds this")
    parser.add_argument("--whole", action="store_true", help="every operation of every scene; half an hour")
    said = parser.parse_args()
    torch.set_num_threads(1)
    print("| fault | tried | outcome | seconds |\n|---|---|---|---:|", flush=True)
    good = True
    for name, act in rows(said.whole):
        if said.only in name:
            row = tried(name, act)
            good &= row.good
            print(f"| {row.fault} | {row.tried} | {row.outcome} | {row.seconds:.1f} |", flush=True)
    sys.exit(0 if good else 1)


if __name__ == "__main__":
    main()
