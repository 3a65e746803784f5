"""Training that goes on on another machine says so, and the record keeps it."""

from pathlib import Path

import msgspec
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from tests.run.test_recording import CODED, FIT, FLAT, QUICK, interrupted
from vaebench import records
from vaebench.leaderboard.identity import digest
from vaebench.training.machine import changes, machine_of

MACHINES = st.dictionaries(st.sampled_from("abc"), st.sampled_from(["1", "2"]))


@given(MACHINES, MACHINES)
def test_what_is_another_is_named_and_nothing_else(before: dict[str, str], now: dict[str, str]) -> None:
    text = changes(before, now)
    for what in "abc":
        assert (f"{what} {before.get(what, 'unknown')}, then" in text) == (before.get(what) != now.get(what))
    assert changes(now, now) == changes(None, now) == ""


def test_a_machine_is_told_apart_by_its_threads() -> None:
    kept = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = machine_of(torch.device("cpu"))
        torch.set_num_threads(2)
        assert changes(one, machine_of(torch.device("cpu"))) == "threads 1, then 2"
    finally:
        torch.set_num_threads(kept)


@pytest.mark.parametrize(
    ("composition", "fit", "at", "other", "where"),
    [
        (FLAT, False, 2, True, "from step 2"),
        (FLAT, False, 0, True, None),
        (FLAT, False, 2, False, None),
        (CODED, True, 2, True, "fit, from step 2"),
        (CODED, True, 0, True, "fit, from its start"),
    ],
)
def test_a_run_that_goes_on_with_other_threads_says_so(
    composition: str,
    fit: bool,
    at: int,
    other: bool,
    where: str | None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("run", "--compose", composition, "--steps", 3, *(FIT if composition == CODED else ()), *QUICK)
    with interrupted(fit, at):
        assert call(*words, "--out", tmp_path / "run") != 0
    capsys.readouterr()
    if other:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 7)
    assert call("run", "--resume", "--device", "cpu", "--out", tmp_path / "run") == 0
    record = records.read(tmp_path / "run" / "record.json")
    lines = [line for line in capsys.readouterr().err.splitlines() if "may therefore differ" in line]
    if where is None:
        assert not lines
        assert record.went_on == ()
        return
    assert record.went_on[0].startswith(f"{where}: threads ")
    assert any("then 7" in line for line in lines)
    assert digest(record) != digest(msgspec.structs.replace(record, went_on=()))


def test_a_record_of_before_is_the_record_that_it_was() -> None:
    """Its digest knows nothing of the field that came later."""
    (path, *_) = sorted((Path(__file__).parents[2] / "leaderboards" / "records").glob("*.json"))
    assert b'"went_on"' not in path.read_bytes()
    assert path.stem.endswith(digest(records.read(path))[:32])
