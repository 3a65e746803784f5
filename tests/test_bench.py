"""Benches: what is there is skipped, what fails stops nothing, what was killed goes on."""

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

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from vaebench import records, registry, runner, tracks
from vaebench.bench import work as work_room
from vaebench.bench.children import Child, Status, command
from vaebench.bench.clock import Clock, cost
from vaebench.bench.estimate import estimate
from vaebench.bench.plan import Plan, answers, plan, with_added
from vaebench.bench.work import ELSEWHERE, Work
from vaebench.cli.progress import Lines
from vaebench.compose import resolve
from vaebench.contracts import ImageShape
from vaebench.errors import DamagedError, DivergedError, InUseError, UsageError, VaebenchError
from vaebench.records import Record
from vaebench.runs import RunFolder
from vaebench.spec import SLOTS, Spec, parse

KNOWN = registry.load()
DIGITS = ImageShape(1, 8, 8, 17)
TINY = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,prior=normal,dec=mlp,dec.hidden=8,lik=categorical"
CODED = (
    "enc=conv,enc.width=4,latent=ema-vq,latent.codes=4,latent.dim=2,"
    "prior=pixelcnn,prior.width=4,prior.layers=1,dec=conv,dec.width=4,lik=categorical"
)
TRACK = f"""
summary = "a tiny track"
data = "digits"
seeds = [0, 1]
base = "{TINY}"
[budget]
images = 64
batch = 16
lr = 1e-3
[scoring]
samples = 2
extractor = "off"
[fit]
images = 32
batch = 16
[[entries]]
compose = "{TINY}"
why = "tiny"
"""
ENDLESS = TRACK.replace("images = 64", "images = 100000000")
AGAIN = f'[[entries]]\ncompose = "{TINY.replace("dim=2", "dim=3")}"\nwhy = "tiny, one more"\n'
LOST = '[[entries]]\ncompose = "latent=nosuch"\nwhy = "a part that is not installed"\n'


class InProcess:
    """A child that runs here, quickly; as many of them as there were are counted."""

    started = 0

    def __init__(self, status: Status, words: list[str], threads: int | None) -> None:
        self.status = status
        type(self).started += 1

    def wait(self) -> int:
        prepared, folder = self.status.run.prepared, RunFolder(self.status.run.folder)
        if folder.request_file.exists() and folder.request() != prepared.request:
            self.status.tell("vaebench: it holds another run\n")
            return 2
        try:
            with folder.locked():
                runner.run(prepared, folder, KNOWN, Lines())
        except VaebenchError as error:
            return error.exit_code
        return 0

    def ask_to_end(self) -> None:
        pass

    def end(self, deadline: float) -> None:
        pass


@pytest.fixture(autouse=True)
def in_process(monkeypatch: pytest.MonkeyPatch) -> type[InProcess]:
    monkeypatch.setattr(work_room, "Child", InProcess)
    InProcess.started = 0
    return InProcess


def planned(folder: Path, text: str = TRACK, **asked: Any) -> Plan:
    path = folder / "tiny.toml"
    path.write_text(text)
    return plan(tracks.read(path), KNOWN, folder / "runs", folder, "cpu", **asked)


def bench(folder: Path, text: str = TRACK, board: Path | None = None, **asked: Any) -> Work:
    return Work(planned(folder, text, **asked), board, folder, "cpu")


def states(work: Work) -> list[str]:
    return [status.state for status in work.statuses]


def test_what_is_there_is_skipped_in_the_folders_or_on_the_board(tmp_path: Path) -> None:
    import shutil

    board = tmp_path / "boards"
    first = bench(tmp_path, board=board)
    first.go()
    assert (states(first), InProcess.started) == (["done", "done"], 2)
    assert len(list((board / "records").glob("*.json"))) == 2
    assert states(bench(tmp_path)) == ["skipped", "skipped"]
    shutil.rmtree(tmp_path / "runs")
    second = bench(tmp_path, board=board)
    second.go()
    assert (states(second), InProcess.started) == (["skipped", "skipped"], 2)
    assert states(bench(tmp_path, board=board, seeds=[1, 2])) == ["skipped", "missing"]
    assert states(bench(tmp_path, TRACK.replace("lr = 1e-3", "lr = 2e-3"), board=board)) == ["missing"] * 2
    assert states(bench(tmp_path)) == ["missing", "missing"]


def test_a_damaged_board_is_said_before_anything_is_run(tmp_path: Path) -> None:
    board = tmp_path / "boards"
    bench(tmp_path, board=board, seeds=[0]).go()
    (path,) = (board / "records").glob("*.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DamagedError, match=path.name):
        bench(tmp_path, board=board)
    assert InProcess.started == 1


def test_a_record_answers_only_the_request_that_it_is_of(tmp_path: Path) -> None:
    first = bench(tmp_path, TRACK.replace(TINY, CODED), seeds=[0])
    first.go()
    (status,) = first.statuses
    record, request = status.record, status.run.request
    assert record is not None
    assert record.fit is not None
    assert answers(record, request, record.data.checksum)
    others: list[Record] = [
        msgspec.structs.replace(record, **{name: value})
        for name, value in {
            "composition": "enc=mlp",
            "seed": 1,
            "training": msgspec.structs.replace(record.training, lr=0.5),
            "scoring": msgspec.structs.replace(record.scoring, fid_images=5),
            "fit": msgspec.structs.replace(
                record.fit, settings=msgspec.structs.replace(record.fit.settings, lr=0.5)
            ),
            "data": msgspec.structs.replace(record.data, checksum="0" * 64),
            "base": records.Base(weights_sha256="0" * 64, command="x", frozen=True),
        }.items()
    ]
    assert not any(answers(other, request, record.data.checksum) for other in others)
    assert not answers(msgspec.structs.replace(record, fit=None), request, record.data.checksum)


def test_what_fails_or_is_not_installed_stops_no_other(tmp_path: Path) -> None:
    before = planned(tmp_path, TRACK + AGAIN)
    taken = RunFolder(before.runs[0].folder)
    taken.path.mkdir(parents=True)
    taken.write_request(before.runs[1].request)
    work = bench(tmp_path, TRACK + LOST + AGAIN)
    assert [(one.entry.compose, "there is no latent nosuch" in one.why) for one in work.plan.refused] == [
        ("latent=nosuch", True)
    ]
    ended = []
    work.go(lambda status: ended.append(status.state))
    assert states(work) == ["failed", "done", "done", "done"]
    assert ended == states(work)
    assert work.statuses[0].line == "vaebench: it holds another run"
    with pytest.raises(VaebenchError, match=r"1 of 4 runs failed; 1 of 3 entries cannot be run") as error:
        work.verdict()
    assert error.value.exit_code == 1


def test_a_run_that_diverges_is_a_result_and_exit_3(tmp_path: Path) -> None:
    board = tmp_path / "boards"
    text = TRACK.replace("images = 64", "images = 320").replace("lr = 1e-3", "skip = 1e-9", 1)
    work = bench(tmp_path, text, board, seeds=[0])
    work.go()
    assert states(work) == ["diverged"]
    assert states(bench(tmp_path, text, board, seeds=[0])) == ["diverged"], "it is not tried again"
    (found,) = (board / "records").glob("*.json")
    assert records.read(found).status == "diverged"
    with pytest.raises(DivergedError):
        work.verdict()


def test_a_run_that_another_process_holds_is_waited_for(tmp_path: Path) -> None:
    work = bench(tmp_path)
    ended: list[int] = []
    doing = Thread(target=work.go, args=(lambda status: ended.append(status.run.request.seed),))
    with RunFolder(work.statuses[0].run.folder).locked():
        doing.start()
        while ended != [1] or work.statuses[0].phase != ELSEWHERE:
            time.sleep(0.02)
    doing.join(30)
    assert ended == [1, 0]
    assert states(work) == ["done", "done"]


def test_so_many_runs_at_a_time_as_jobs_and_each_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now: list[Path] = []
    most: list[int] = []

    class Failing(InProcess):
        def wait(self) -> int:
            now.append(self.status.run.folder)
            most.append(len(now))
            time.sleep(0.1)
            now.remove(self.status.run.folder)
            return 1

    monkeypatch.setattr(work_room, "Child", Failing)
    work = Work(planned(tmp_path, TRACK + AGAIN, seeds=[0, 1, 2]), None, tmp_path, "cpu", jobs=3)
    work.go()
    assert states(work) == ["failed"] * 6
    assert (Failing.started, max(most)) == (6, 3)
    assert work.statuses[0].line == "ended with exit code 1"


PARTS = [(slot, name) for slot, kind in SLOTS.items() for name in KNOWN.names(kind)]


@pytest.mark.parametrize(("slot", "name"), PARTS, ids=[f"{slot}={name}" for slot, name in PARTS])
def test_an_added_part_takes_its_slot_and_leaves_what_fits(slot: str, name: str) -> None:
    track = tracks.read(tracks.find("digits"))
    assert track.base is not None
    base = parse(track.base).choices
    if name == "bernoulli":
        with pytest.raises(UsageError, match="needs binary data"):
            with_added(track, f"{slot}={name}", KNOWN, DIGITS)
        return
    entry = with_added(track, f"{slot}={name}", KNOWN, DIGITS)
    found = resolve(parse(entry.compose), KNOWN, DIGITS).spec.choices
    assert found[slot].name == name
    kept = {s for s in base if found[s].name == base[s].name}
    for other in base.keys() - kept - {slot}:
        trial = {s: base[s] for s in kept if s != slot} | {slot: found[slot], other: base[other]}
        with pytest.raises(UsageError):
            resolve(Spec(trial), KNOWN, DIGITS)


def test_an_added_component_runs_beside_the_tracks_own(tmp_path: Path) -> None:
    work = bench(tmp_path, added=["latent.dim=5", "prior=mog,prior.components=3"], seeds=[0])
    assert [status.run.added for status in work.statuses] == [False, True, True]
    said = [status.run.request.compose for status in work.statuses[1:]]
    assert "enc.hidden=8" in said[0]
    assert "latent=gaussian,latent.dim=5" in said[0]
    assert "latent.dim=2,prior=mog,prior.components=3" in said[1]
    with pytest.raises(UsageError, match="did you mean mog"):
        planned(tmp_path, added=["prior=mgo"])
    with pytest.raises(UsageError, match="no entry of tiny contains resnet"):
        planned(tmp_path, only="resnet")


def test_the_time_left_is_that_of_what_has_not_ended(tmp_path: Path) -> None:
    work = bench(tmp_path, TRACK + AGAIN)
    assert Clock(work.statuses).total(work.statuses, 1) is None, "nothing is known yet"
    work.go()
    record = work.statuses[0].record
    assert record is not None
    clock = Clock(work.statuses)
    assert clock.total(work.statuses, 1) == 0
    work.statuses[1].state = "missing"
    assert clock.total(work.statuses, 1) == pytest.approx(clock.whole(work.statuses[0]))
    assert cost(record) >= record.budget.train_seconds + record.budget.score_seconds


EVENTS = st.sampled_from(["start", "step", "count", "say", "validated", "other"])
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


@pytest.mark.parametrize("compose", [TINY, CODED])
def test_an_estimate_grows_with_the_budget_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compose: str
) -> None:
    text = TRACK.replace(TINY, compose)
    (run, _) = planned(tmp_path, text).runs
    (long, _) = planned(tmp_path, text.replace("images = 64", "images = 64000")).runs
    before = sorted(tmp_path.rglob("*"))
    monkeypatch.chdir(tmp_path)
    small, large = (estimate(one, KNOWN, 1.0, 0.05) for one in (run, long))
    assert sorted(tmp_path.rglob("*")) == before
    assert large.training > 50 * small.training, "a thousand times the steps"
    assert (small.fit > 0) == (compose == CODED)
    assert small.total > 1.0


def test_events_of_a_run_tell_how_it_stands(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (run, _) = planned(tmp_path, TRACK.replace(TINY, CODED)).runs
    monkeypatch.setattr("vaebench.cli.progress.Events.every", 0.0)
    assert call(*command(run, None, "cpu")[1:], "--progress", "json") == 0
    status, phases = Status(run), []
    for line in capsys.readouterr().err.splitlines():
        assert json.loads(line)["event"] in ("say", "start", "step", "validated", "count")
        status.tell(line)
        phases.append((status.phase, status.at, status.of))
    assert ("training", 4, 4) in phases
    assert ("fitting the prior", 2, 2) in phases
    assert ("scoring with K=1", 360, 360) in phases
    assert status.line == ""


def test_the_verb(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.toml").write_text(TRACK)
    assert call("bench", "tiny.toml", "--commands") == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert "--out runs/tiny/digits-mlp-gaussian-normal-s0-" in lines[0]
    assert not Path("runs").exists()
    assert call("bench", "tiny.toml", "--leaderboard", "b", "--json", "--device", "cpu") == 0
    out, err = capsys.readouterr()
    told = json.loads(out)
    assert [run["state"] for run in told["runs"]] == ["done", "done"]
    assert all(isinstance(run["bits_per_dim"], float) for run in told["runs"])
    assert len([line for line in err.splitlines() if line.startswith("done  base  seed ")]) == 2
    assert call("leaderboard", "--check", "--root", "b") == 0
    assert call("bench", "tiny.toml", "--leaderboard", "b") == 0
    assert "2 skipped" in capsys.readouterr().out
    Path("tiny.toml").write_text(TRACK + LOST)
    assert call("bench", "tiny.toml") == 1
    err = capsys.readouterr().err
    assert "cannot be run: latent=nosuch: there is no latent nosuch" in err
    for words, said in [
        (["bench", "digts"], "did you mean digits?"),
        (["bench", "tiny.toml", "--seeds", "0,0"], "different integers >= 0"),
        (["bench", "tiny.toml", "--seeds", "x"], "different integers >= 0"),
        (["bench", "tiny.toml", "--add", "latent=gausian"], "did you mean gaussian?"),
    ]:
        assert call(*words) == 2
        assert said in capsys.readouterr().err


@contextmanager
def interruption(handler: Any) -> Iterator[None]:
    """What processes that are started meanwhile do about SIGINT; one that is ignored stays so in them."""
    before = signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


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
    assert err.decode().splitlines()[-1] == "vaebench: interrupted"
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


def test_a_child_that_ignores_interruption_is_ended_all_the_same(tmp_path: Path) -> None:
    """As one that was started in a shell's background does."""
    (run, _) = planned(tmp_path, ENDLESS).runs
    with interruption(signal.SIG_IGN):
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
