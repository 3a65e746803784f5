"""Benches: what is there is skipped, what fails stops nothing, what was killed goes on."""

import json
import shutil
import time
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from tests.bench.tiny import (
    AGAIN,
    CODED,
    KNOWN,
    LOST,
    TINY,
    TRACK,
    InProcess,
    bench,
    planned,
    states,
)
from tests.command import call
from vaebench import leaderboard, records
from vaebench.bench import work as work_room
from vaebench.bench.clock import Clock, cost
from vaebench.bench.estimate import estimate
from vaebench.bench.work import ELSEWHERE, Work
from vaebench.composing.sources import installed
from vaebench.errors import DamagedError, DivergedError, VaebenchError
from vaebench.run.folder import RunFolder
from vaebench.storage.seal import seal
from vaebench.training.checkpoint import Checkpoint, Store


def test_what_is_there_is_skipped_in_the_folders_or_on_the_board(tmp_path: Path) -> None:
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


CONSTANT = TRACK.replace("lr = 1e-3", "lr = 1e-3\nema_warmup = false")


def test_runs_of_before_a_setting_came_are_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board = tmp_path / "boards"
    bench(tmp_path, CONSTANT, board=board, seeds=[0]).go()
    shutil.rmtree(tmp_path / "runs")
    assert states(bench(tmp_path, CONSTANT, board=board)) == ["skipped", "missing"]
    work = bench(tmp_path, board=board)
    assert states(work) == ["missing", "missing"]
    assert len(work.earlier) == 1
    assert not bench(tmp_path, CONSTANT, board=board).earlier
    words = (
        "bench",
        tmp_path / "tiny.toml",
        "--leaderboard",
        board,
        "--out",
        tmp_path / "runs",
        "--commands",
    )
    (tmp_path / "tiny.toml").write_text(TRACK)
    assert call(*words, "--device", "cpu") == 0
    assert "1 of the missing runs exist with earlier defaults: a track with ema_warmup = false uses them" in (
        capsys.readouterr().err
    )


def test_a_damaged_board_is_said_before_anything_is_run(tmp_path: Path) -> None:
    board = tmp_path / "boards"
    bench(tmp_path, board=board, seeds=[0]).go()
    (path,) = (board / "records").glob("*.json")
    path.write_text(path.read_text().replace('"seed": 0', '"seed": 1'))
    with pytest.raises(DamagedError, match=path.name):
        bench(tmp_path, board=board)
    assert InProcess.started == 1


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
    assert "contains another run" in work.statuses[0].line
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


def test_an_interrupted_bench_ends_what_does_not_end_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = Event()
    asked: list[str] = []

    class Stubborn(InProcess):
        def wait(self) -> int:
            over.wait(60)
            return -9

        def ask_to_end(self) -> None:
            asked.append("asked")

        def end(self, deadline: float) -> None:
            asked.append("ended")
            assert deadline > time.monotonic()
            over.set()

    def interrupted(seconds: float) -> None:
        if Stubborn.started == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(work_room, "Child", Stubborn)
    monkeypatch.setattr(work_room.time, "sleep", interrupted)
    work = Work(planned(tmp_path), None, tmp_path, "cpu", jobs=2)
    with pytest.raises(KeyboardInterrupt):
        work.go()
    assert asked == ["asked", "asked", "ended", "ended"]
    assert states(work) == ["missing", "missing"]


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


CURRENT = installed(KNOWN)


def test_what_ran_with_other_code_is_done_again_when_asked(
    tmp_path: Path, in_process: type[InProcess]
) -> None:
    board = tmp_path / "boards"
    first = bench(tmp_path, board=board, seeds=[0])
    first.go()
    (run,) = planned(tmp_path, seeds=[0]).runs
    (fresh,) = (board / "records").iterdir()
    made = records.read(fresh)
    other = {**made.parts, "enc": msgspec.structs.replace(made.parts["enc"], source_sha256="0" * 64)}
    changed = seal(records.to_json(msgspec.structs.replace(made, parts=other)))
    fresh.unlink()
    RunFolder(run.folder).record.write_bytes(changed)
    leaderboard.submit(RunFolder(run.folder).record, board)
    plain = bench(tmp_path, board=board, seeds=[0])
    assert states(plain) == ["skipped"]
    again = Work(planned(tmp_path, seeds=[0]), board, tmp_path, "cpu", current=CURRENT, again=True)
    again.go()
    assert (states(again), in_process.started) == (["done"], 2)
    aside = run.folder.with_name(f"{run.folder.name}.stale1")
    assert RunFolder(aside).record.read_bytes() == changed, "nothing is lost"
    assert len(list((board / "records").iterdir())) == 2
    third = Work(planned(tmp_path, seeds=[0]), board, tmp_path, "cpu", current=CURRENT, again=True)
    assert states(third) == ["skipped"]
    fresh, stale = sorted(
        (board / "records").iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True
    )
    fresh.unlink()
    shutil.rmtree(run.folder)
    aside.rename(run.folder)
    words = [
        "bench",
        tmp_path / "tiny.toml",
        "--seeds",
        "0",
        "--out",
        tmp_path / "runs",
        "--data-root",
        tmp_path,
    ]
    words += ["--leaderboard", board, "--device", "cpu"]
    assert call(*words) == 0
    assert in_process.started == 2
    assert call(*words, "--stale", "--commands") == 2
    assert call(*words, "--stale") == 0
    assert in_process.started == 3
    assert stale.exists()
    assert leaderboard.check(board, CURRENT).changed == [], "the pages say what is stale"
    assert len(leaderboard.check(board, CURRENT).stale) == 1


@pytest.mark.parametrize("begun", [False, True], ids=["unnamed", "unfinished"])
def test_what_began_with_other_code_or_names_none_is_done_again_when_asked(
    begun: bool, tmp_path: Path, in_process: type[InProcess]
) -> None:
    (run,) = planned(tmp_path, seeds=[0]).runs
    bench(tmp_path, seeds=[0]).go()
    folder = RunFolder(run.folder)
    made = records.read(folder.record)
    if begun:
        folder.record.unlink()
        shutil.rmtree(folder.weights)
        store = Store(folder.checkpoints)
        newest, _ = store.latest()
        assert newest is not None
        code = {**newest.state["code"], "enc": "0" * 64}
        shutil.rmtree(folder.checkpoints)
        store.save(newest.state["step"], Checkpoint(newest.tensors, {**newest.state, "code": code}))
    else:
        enc = msgspec.structs.replace(made.parts["enc"], source_sha256=None)
        mixed = msgspec.structs.replace(made, parts={**made.parts, "enc": enc})
        folder.record.write_bytes(seal(records.to_json(mixed)))
    again = Work(planned(tmp_path, seeds=[0]), None, tmp_path, "cpu", current=CURRENT, again=True)
    assert states(again) == ["missing"]
    again.go()
    assert (states(again), in_process.started) == (["done"], 2)
    assert run.folder.with_name(f"{run.folder.name}.stale1").exists(), "nothing is lost"
    assert records.read(folder.record).parts == made.parts
    same = Work(planned(tmp_path, seeds=[0]), None, tmp_path, "cpu", current=CURRENT, again=True)
    assert states(same) == ["skipped"]
