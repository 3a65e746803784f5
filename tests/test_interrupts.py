"""A signal to end costs no step, says the command that goes on, and ends by the code that shells know."""

import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bench.test_children import interruption
from tests.command import call
from vaebench import interrupts, records
from vaebench.interrupts import Interrupted, heeded, held_back
from vaebench.training.checkpoint import Store
from vaebench.training.loop import Trainer
from vaebench.training.prior import PriorFit

CODED = (
    "enc=conv,enc.width=4,latent=vq,latent.codes=4,latent.dim=2,prior=pixelcnn,prior.width=4,prior.layers=1,"
    "dec=conv,dec.width=4,lik=categorical"
)
STEPS, FIT = 6, 4
WORDS = (
    *("run", "--compose", CODED, "--steps", STEPS, "--device", "cpu"),
    *("--set", "samples=1", "--set", "extractor=off", "--set", "batch=16", "--set", "validate=0.026"),
    *("--set", f"fit.steps={FIT}", "--set", "fit.batch=16", "--set", "fit.validate=0.026"),
)
"""A run that validates every other step, and saves no checkpoint until it is done."""
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}
SIGNALS = st.sampled_from(list(CODES))


@contextmanager
def sent(number: int, method: str, when: Callable[[Trainer[Any]], bool], after: bool) -> Iterator[None]:
    """A signal comes before or after a method of the trainer does its work, each time that ``when`` says."""
    whole = getattr(Trainer, method)

    def disturbed(trainer: Trainer[Any], *words: Any) -> Any:
        due = when(trainer)
        if due and not after:
            os.kill(os.getpid(), number)
        found = whole(trainer, *words)
        if due and after:
            os.kill(os.getpid(), number)
        return found

    with pytest.MonkeyPatch.context() as patched, interruption(signal.default_int_handler, number):
        patched.setattr(Trainer, method, disturbed)
        yield


def at(fit: bool, step: int) -> Callable[[Trainer[Any]], bool]:
    return lambda trainer: (isinstance(trainer.model, PriorFit), trainer.state.step) == (fit, step)


def last_line(capsys: pytest.CaptureFixture[str]) -> str:
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("vaebench: ")]
    assert len(lines) == 1
    return lines[0]


def resumed(line: str) -> int:
    """The exit code of the command that the line names."""
    command = re.search("to resume the run: (.*)", line)
    assert command is not None, line
    return call(*shlex.split(command[1])[1:])


def outcome(folder: Path) -> tuple[Any, ...]:
    record = records.read(folder / "record.json")
    nats = [validation.nats for validation in record.validations]
    return (
        record.weights_sha256,
        nats,
        record.budget.best_step,
        record.scores,
        record.fit and record.fit.best_step,
    )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, ...]:
    folder = tmp_path_factory.mktemp("whole") / "run"
    assert call(*WORDS, "--out", folder) == 0
    return outcome(folder)


@settings(max_examples=12)
@given(
    number=SIGNALS,
    method=st.sampled_from(["_step", "_validate", "_compare", "save"]),
    step=st.integers(0, STEPS),
    fit=st.booleans(),
    after=st.booleans(),
)
def test_an_interrupted_run_goes_on_to_the_same_weights(
    number: int,
    method: str,
    step: int,
    fit: bool,
    after: bool,
    whole: tuple[Any, ...],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    folder = tmp_path_factory.mktemp("cut") / "a run"
    with sent(number, method, at(fit, step), after), redirect_stderr(StringIO()) as said:
        code = call(*WORDS, "--out", folder)
    if code:  # nothing is sent where the method is not called at this step
        assert code == CODES[signal.Signals(number)]
        (line,) = [line for line in said.getvalue().splitlines() if line.startswith("vaebench: ")]
        place = folder / ("fit-checkpoints" if fit else "checkpoints")
        newest, _ = Store(place).latest()
        assert newest is not None
        assert newest.state["step"] == step + (method == "_step")
        assert f"the checkpoint of step {newest.state['step']} is saved; to resume the run" in line
        assert resumed(line) == 0
    else:
        assert method != "_step" or step >= (FIT if fit else STEPS)
    assert outcome(folder) == whole


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize(
    "of",
    ["evaluation.scoring.likelihood.score", "evaluation.scoring.generate", "run.runner.draw_pictures"],
)
def test_nothing_is_lost_while_scoring(
    of: str,
    number: int,
    whole: tuple[Any, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)

    with monkeypatch.context() as patched, interruption(signal.default_int_handler, number):
        patched.setattr(f"vaebench.{of}", interrupted)
        assert call(*WORDS, "--out", tmp_path / "run") == CODES[signal.Signals(number)]
        assert not (tmp_path / "run" / "record.json").exists()
        monkeypatch.setattr(Trainer, "_step", None)  # no step is taken again
    assert resumed(last_line(capsys)) == 0
    assert outcome(tmp_path / "run") == whole


def test_a_second_signal_ends_at_once_and_leaves_what_was_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interrupts, "SAME", 0.0)
    went_on = []

    def twice(trainer: Trainer[Any]) -> Any:
        if trainer.state.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            went_on.append(trainer)
        return step(trainer)

    step = Trainer._step
    with interruption(signal.default_int_handler):
        monkeypatch.setattr(Trainer, "_step", twice)
        assert call(*WORDS, "--set", "checkpoint=1e-9", "--out", tmp_path / "run") == 130
    assert not went_on
    line = last_line(capsys)
    assert "is saved" not in line, "the weights are those of no step"
    newest, wrong = Store(tmp_path / "run" / "checkpoints").latest()
    assert newest is not None
    assert (newest.state["step"], wrong) == (3, [])
    monkeypatch.setattr(Trainer, "_step", step)
    assert resumed(line) == 0


def test_what_a_wrapper_sends_twice_is_one_signal() -> None:
    def held() -> None:
        with interruption(signal.default_int_handler), heeded(), held_back():
            os.kill(os.getpid(), signal.SIGTERM)
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)

    with pytest.raises(Interrupted) as caught:
        held()
    assert caught.value.number == signal.SIGTERM


def test_a_signal_that_a_library_swallows_is_raised_after_the_next_step() -> None:
    def swallowed() -> None:
        with heeded():
            with suppress(BaseException):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.01)
            with held_back():
                pass

    with pytest.raises(Interrupted):
        swallowed()


@pytest.mark.parametrize("number", CODES)
def test_what_the_process_ignores_stays_ignored_and_handlers_are_as_before(number: signal.Signals) -> None:
    with interruption(signal.SIG_IGN, number), heeded():
        os.kill(os.getpid(), number)
        time.sleep(0.01)
        assert signal.getsignal(number) is signal.SIG_IGN
    before = signal.getsignal(number)
    with heeded():
        assert (signal.getsignal(number) is before) == (before is signal.SIG_IGN)
    assert signal.getsignal(number) is before


def test_nothing_is_installed_by_an_import_or_in_a_thread() -> None:
    seen: list[Any] = []

    def work() -> None:
        before = [signal.getsignal(number) for number in CODES]
        with heeded(), held_back():
            seen.append(before == [signal.getsignal(number) for number in CODES])

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [True]
    code = (
        "import signal; was = [signal.getsignal(n) for n in (1, 2, 15)];"
        "import vaebench.cli, vaebench.run.runner;"
        "assert was == [signal.getsignal(n) for n in (1, 2, 15)]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("words", [("run", "--compose", CODED), ("eval", "RUN"), ("sample", "RUN")])
@pytest.mark.parametrize("number", CODES)
def test_during_start_up_there_is_nothing_to_save(
    words: tuple[str, ...],
    number: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        os.kill(os.getpid(), number)

    monkeypatch.setattr("vaebench.registry.load", interrupted)
    monkeypatch.chdir(tmp_path)
    with interruption(signal.default_int_handler, number):
        assert call(*words) == CODES[signal.Signals(number)]
    said = interrupts.NAMES[signal.Signals(number).name]
    assert last_line(capsys) == f"vaebench: {said}; there was nothing to save"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_trains_ends_by_its_signal(number: signal.Signals, tmp_path: Path) -> None:
    words = [*map(str, WORDS), "--steps", str(10**6), "--progress", "json", "--out", str(tmp_path / "run")]
    with interruption(signal.default_int_handler, number):
        process = subprocess.Popen(
            [sys.executable, "-m", "vaebench", *words],
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    with process:
        try:
            assert process.stderr is not None
            while '"event":"step"' not in (line := process.stderr.readline()):
                assert line
            process.send_signal(number)
            _, err = process.communicate(timeout=120)
        finally:
            process.kill()
    assert process.returncode == CODES[number]
    newest, _ = Store(tmp_path / "run" / "checkpoints").latest()
    assert newest is not None
    assert f"step {newest.state['step']} is saved" in err.splitlines()[-1]
