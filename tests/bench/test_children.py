"""A run as a child process: what it says, how it is ended."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.bench.tiny import (
    CODED,
    ENDLESS,
    TINY,
    TRACK,
    bench,
    planned,
    states,
)
from tests.command import call
from vaebench import records
from vaebench.bench.children import Child, Status, command
from vaebench.errors import InUseError
from vaebench.run import events
from vaebench.run.folder import RunFolder

EVENTS = st.sampled_from(
    ["start", "step", "count", "say", "validated", "phase", "checkpoint", "end", "other"]
)

FIELDS = st.dictionaries(
    st.sampled_from(["step", "total", "done", "what", "line"]), st.none() | st.integers()
)


@given(
    st.text() | st.builds(lambda e, f: json.dumps({"event": e, **f}), EVENTS, FIELDS) | st.just("[1]"),
)
def test_whatever_a_child_says_is_taken(line: str) -> None:
    status = Status(None, line="before")  # type: ignore[arg-type]
    status.tell(line)
    assert status.state == "missing"
    assert status.line == "before" or status.line == line.strip()


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_the_last_words_of_a_child_are_kept(words: str) -> None:
    status = Status(None)  # type: ignore[arg-type]
    status.tell(f"vaebench: {words}\n")
    status.tell(" \n")
    status.tell('{"event": "step", "step": 7}\n')
    assert (status.line, status.at) == (f"vaebench: {words}".strip(), 7)


SAID = st.builds(events.Say, st.text() | st.just(f"{events.FITTING} to the rest"))


@given(st.lists(SAID), st.sampled_from([events.TRAINING, events.FITTING]), st.lists(SAID))
def test_what_a_run_says_is_no_phase_whatever_its_words(
    before: list[events.Say], phase: events.Name, after: list[events.Say]
) -> None:
    status = Status(None, line="words")  # type: ignore[arg-type]
    started = events.Start(2, 9)
    for event in [events.Phase(phase), *before, started, *after, events.Step(3)]:
        status.tell(events.encode(event))
    assert (status.phase, status.at, status.of, status.resumed_at) == (phase, 3, 9, 2)
    assert status.line == "words"


def test_events_of_a_run_tell_how_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (run, _) = planned(tmp_path, TRACK.replace(TINY, CODED)).runs
    monkeypatch.setattr("vaebench.progress.Events.every", 0.0)
    assert call(*command(run, None, "cpu")[1:], "--progress", "json") == 0
    status, phases, told = Status(run), [], []
    for line in capsys.readouterr().err.splitlines():
        event = events.decode(line)
        assert event is not None
        told.append(event)
        status.tell(line)
        phases.append((status.phase, status.at, status.of))
    assert ("training", 4, 4) in phases
    assert ("fitting the prior", 2, 2) in phases
    assert ("scoring with K=1", 360, 360) in phases
    assert status.line == ""
    names = [event.phase for event in told if isinstance(event, events.Phase)]
    assert names == [events.TRAINING, events.FITTING, events.SCORING]
    assert [event.step for event in told if isinstance(event, events.Saved)] == [4, 2]
    record = records.read(run.folder / "record.json")
    assert record.scores is not None
    assert told[-1] == events.End("ok", record.scores.likelihood.nll.bits_per_dim)


@contextmanager
def interruption(handler: Any, number: int = signal.SIGINT) -> Iterator[None]:
    """What processes that are started meanwhile do about a signal; one that is ignored stays so in them."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def test_a_child_of_a_shells_background_saves_its_work_when_asked(tmp_path: Path) -> None:
    """SIGINT is ignored there, and so in all that is started from there."""
    (run, _) = planned(tmp_path, ENDLESS).runs
    with interruption(signal.SIG_IGN):
        child = Child(Status(run), command(run, tmp_path, "cpu"), 1)
    with child.process as process:
        try:
            follow = Thread(target=child.wait)
            follow.start()
            while child.status.at < 2:
                assert process.poll() is None
                time.sleep(0.05)
            child.ask_to_end()
            follow.join(120)
        finally:
            process.kill()
    assert process.returncode == 128 + signal.SIGTERM
    assert run.folder.name in child.status.line
    assert list((run.folder / "checkpoints").iterdir())


def test_an_interrupted_bench_takes_its_child_with_it(tmp_path: Path) -> None:
    (run, _) = planned(tmp_path, ENDLESS).runs
    words = [sys.executable, "-m", "vaebench", "bench", str(tmp_path / "tiny.toml")]
    words += ["--out", str(tmp_path / "runs"), "--device", "cpu"]
    with interruption(signal.default_int_handler):
        process = subprocess.Popen(words, stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"})
    with process:
        try:
            _wait_until_held(run.folder, process)
            process.send_signal(signal.SIGINT)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == 130
    assert err.decode().splitlines()[-1].startswith("vaebench: interrupted; ")
    assert not _held(run.folder), "the child outlives the bench"
    assert states(bench(tmp_path, ENDLESS)) == ["missing", "missing"]


def test_a_child_ends_when_nobody_listens_any_more(tmp_path: Path) -> None:
    """As after a SIGKILL of the bench, which closes the pipe."""
    (run, _) = planned(tmp_path, ENDLESS).runs
    child = Child(Status(run), command(run, tmp_path, "cpu"), 1)
    with child.process as process:
        try:
            _wait_until_held(run.folder, process)
            assert process.stderr is not None
            process.stderr.close()
            process.wait(120)
        finally:
            process.kill()
    assert not _held(run.folder)


def test_a_child_that_ignores_what_it_is_asked_is_ended_all_the_same(tmp_path: Path) -> None:
    (run, _) = planned(tmp_path, ENDLESS).runs
    with interruption(signal.SIG_IGN, signal.SIGTERM):
        child = Child(Status(run), command(run, tmp_path, "cpu"), 1)
    follow = Thread(target=child.wait)
    follow.start()
    try:
        _wait_until_held(run.folder, child.process)
        child.ask_to_end()
        child.end(time.monotonic() + 0.2)
        follow.join(120)
        assert child.process.returncode == -signal.SIGKILL
    finally:
        child.process.kill()
    assert not _held(run.folder)


def _wait_until_held(folder: Path, process: subprocess.Popen[Any]) -> None:
    while not ((folder / "run.json").exists() and _held(folder)):
        assert process.poll() is None
        time.sleep(0.05)


def _held(folder: Path) -> bool:
    try:
        with RunFolder(folder).locked():
            return False
    except InUseError:
        return True


def test_the_command_of_a_run_is_the_runs(tmp_path: Path) -> None:
    (run, _) = planned(tmp_path, TRACK.replace(TINY, CODED)).runs
    words = command(run, tmp_path, "cpu")
    assert words[:2] == ["vaebench", "run"]
    assert words[-7:] == [
        "--out",
        str(run.folder),
        "--resume",
        "--device",
        "cpu",
        "--data-root",
        str(tmp_path),
    ]
    assert "fit.steps=2" in words
    assert "samples=1" in words, "codes: K changes nothing"
