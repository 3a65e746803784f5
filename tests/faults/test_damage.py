"""What is not what was written is noticed, and said; what went before it is used."""

from pathlib import Path

import pytest

from tests.command import call
from tests.faults import damage
from tests.faults.damage import Damage, flipped, truncated
from tests.faults.scenes import BOARD, CODES, EVERY, FIT, QUICK
from vaebench import records
from vaebench.run.folder import RunFolder


@pytest.mark.parametrize("how", [flipped, truncated])
def test_damage_is_noticed(finished: Path, tmp_path: Path, how: Damage) -> None:
    run = damage.copied(finished, tmp_path / "run")
    damage.checkpoints(run, how, 40)
    damage.rest_of_run(run, how, 60)
    BOARD.prepare(tmp_path / "place")
    damage.board(tmp_path / "place" / "boards", how, 40)


def test_a_run_from_before_seals_reads_and_goes_on(finished: Path, tmp_path: Path) -> None:
    run = damage.copied(finished, tmp_path / "run")
    damage.without_seals(run)
    assert RunFolder(run).request() == RunFolder(finished).request()
    assert records.read(run / "record.json") == records.read(finished / "record.json")
    assert call("run", "--resume", "--out", run) == 0
    (run / "record.json").unlink()
    assert call("run", "--resume", "--out", run, "--device", "cpu") == 0
    again, first = (records.read(folder / "record.json") for folder in (run, finished))
    assert again.weights_sha256 == first.weights_sha256


def test_checkpoints_that_were_passed_over_go_and_two_good_ones_stay(finished: Path, tmp_path: Path) -> None:
    """Else damaged ones, the newest by their number, would push good ones out."""
    run = damage.copied(finished, tmp_path / "run")
    (run / "record.json").unlink()
    newest = max((run / "checkpoints").iterdir())
    (newest / "state.json").write_bytes(b"")
    newest.rename(newest.with_name("0000000009"))
    assert call("run", "--resume", "--out", run, "--device", "cpu") == 0
    assert sorted(folder.name for folder in (run / "checkpoints").iterdir()) == ["0000000002", "0000000003"]
    again, first = (records.read(folder / "record.json") for folder in (run, finished))
    assert again.weights_sha256 == first.weights_sha256


def test_a_damaged_rest_is_made_again_from_the_checkpoints(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    assert call("run", "--compose", CODES, "--steps", 2, *QUICK, *EVERY, *FIT, "--out", run) == 0
    first = records.read(run / "record.json").weights_sha256
    (run / "record.json").unlink()
    rest = run / "rest" / "model.safetensors"
    rest.write_bytes(flipped_last(rest.read_bytes()))
    assert call("run", "--resume", "--out", run, "--device", "cpu") == 0
    assert "it is restored from the checkpoints" in capsys.readouterr().err
    assert records.read(run / "record.json").weights_sha256 == first


def flipped_last(content: bytes) -> bytes:
    return content[:-1] + bytes([content[-1] ^ 1])


def test_checkpoints_of_nobody_knows_what_are_left_alone(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = damage.copied(finished, tmp_path / "run")
    (run / "run.json").unlink()
    (run / "record.json").unlink()
    before = sorted(run.rglob("*"))
    assert call("run", "--compose", "enc=mlp", "--steps", 1, *QUICK, "--out", run, "--resume") == 5
    assert "has checkpoints but no run.json" in capsys.readouterr().err
    assert sorted(run.rglob("*")) == before


def test_what_was_half_taken_from_another_run_is_taken_again(finished: Path, tmp_path: Path) -> None:
    """A kill before run.json is written leaves the first base's weights; the second asks for its own."""
    second = tmp_path / "second"
    assert call("run", "--from", finished, "--steps", 1, *QUICK, "--out", second) == 0
    run = tmp_path / "run"
    words = ["--prior", "mog,prior.components=2", *FIT, "--device", "cpu", "--out"]
    for base, folder in ((finished, "first"), (second, "afresh")):
        assert call("refit", base, *words, tmp_path / folder) == 0
    damage.copied(tmp_path / "first" / "rest", run / "rest")
    assert call("refit", second, *words, run) == 0
    said = [records.read(folder / "record.json").weights_sha256 for folder in (run, tmp_path / "afresh")]
    assert said[0] == said[1]
