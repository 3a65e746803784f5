"""The average forgets the first weights in time; a run goes on as it began; worse scores are not unsaid."""

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from vaebench import records
from vaebench.settings import Training
from vaebench.training import checkpoint
from vaebench.training.average import decay
from vaebench.training.loop import Trainer
from vaebench.training.remarks import of_average, of_test

DECAYS = st.floats(0.0, 1.0, exclude_min=True, exclude_max=True)


@given(DECAYS, st.integers(1, 10**6))
def test_the_decay_rises_to_the_one_asked_for(ema: float, updates: int) -> None:
    risen = decay(Training(ema=ema), updates)
    assert decay(Training(ema=ema), updates - 1) <= risen <= ema
    assert risen == ema or risen == (1 + updates) / (10 + updates)
    assert decay(Training(ema=ema, ema_warmup=False), updates) == ema


@given(st.integers(10, 3000))
def test_the_first_weights_are_forgotten_however_few_the_updates(updates: int) -> None:
    """Their share of the average is the product of the decays; with a constant one it is most of it."""
    shares = {
        warmup: math.prod(
            decay(Training(ema=0.9999, ema_warmup=warmup), update) for update in range(1, updates)
        )
        for warmup in (True, False)
    }
    assert shares[True] < 1e-3
    assert shares[False] > 0.7


QUICK = ("--set", "samples=1", "--set", "extractor=off", "--device", "cpu")
RUN = ("run", "--compose", "enc=mlp,latent.dim=4", "--steps", 60, *QUICK, "--set", "ema=0.999")


def bits(folder: Path) -> float:
    scores = records.read(folder / "record.json").scores
    assert scores is not None
    return scores.likelihood.elbo.bits_per_dim


def test_few_steps_are_scored_as_they_were_trained_or_a_line_says_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call(*RUN, "--out", tmp_path / "default") == 0
    quiet = capsys.readouterr().err
    assert call(*RUN, "--set", "ema_warmup=false", "--out", tmp_path / "constant") == 0
    told = capsys.readouterr().err
    assert call(*RUN, "--set", "ema=0", "--out", tmp_path / "raw") == 0
    assert "averaged weights" not in capsys.readouterr().err
    assert bits(tmp_path / "default") < 1.05 * bits(tmp_path / "raw")
    assert bits(tmp_path / "constant") > 1.15 * bits(tmp_path / "raw")
    assert "the averaged weights are scored" in told
    assert "the test images need" in told
    assert "the averaged weights are scored" not in quiet
    assert "the test images need" not in quiet


def interrupt(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    step = Trainer._step

    def disturbed(trainer: Trainer[Any]) -> object:
        if trainer.state.step == at:
            raise KeyboardInterrupt
        return step(trainer)

    monkeypatch.setattr(Trainer, "_step", disturbed)


@pytest.mark.parametrize("request_is_old", [False, True])
def test_a_run_goes_on_bit_for_bit_with_the_average_that_it_began_with(
    request_is_old: bool, tmp_path: Path
) -> None:
    """An old run.json does not hold the setting, and its checkpoints are of a constant decay."""
    words = ("run", "--compose", "enc=mlp,latent.dim=2", "--steps", 40, *QUICK, "--set", "checkpoint=1e-9")
    words = (*words, "--set", f"ema_warmup={'false' if request_is_old else 'true'}")
    assert call(*words, "--out", tmp_path / "whole") == 0
    with pytest.MonkeyPatch.context() as patched:
        interrupt(patched, 25)
        assert call(*words, "--out", tmp_path / "part") != 0
    if request_is_old:
        place = tmp_path / "part" / "run.json"
        request = json.loads(place.read_bytes())
        del request["training"]["ema_warmup"], request["sha256"]
        place.write_text(json.dumps(request))
    assert call("run", "--resume", "--device", "cpu", "--out", tmp_path / "part") == 0
    weights = [checkpoint.load_weights(tmp_path / name / "weights") for name in ("whole", "part")]
    assert checkpoint.weights_sha256(weights[0]) == checkpoint.weights_sha256(weights[1])


@given(st.integers(30, 200), st.floats(0.5, 50), st.integers(0, 2**31), st.booleans())
def test_a_difference_within_its_error_is_not_said_and_one_beyond_is(
    count: int, spread: float, seed: int, worse: bool
) -> None:
    draw = torch.Generator().manual_seed(seed)
    raw = 100 + 20 * torch.randn(count, generator=draw)
    noise = spread * torch.randn(count, generator=draw)
    noise = noise - noise.mean()
    error = noise.std().item() / math.sqrt(count)
    warms_up = seed % 2 == 0
    assert of_average(raw + noise + 2 * error, raw, 8, warms_up=warms_up) is None
    line = of_average(raw + noise + (4 * error + 0.1) * (1 if worse else -1), raw, 8, warms_up=warms_up)
    assert line is not None
    # What is on already is no remedy.
    assert ("ema_warmup=true" in line) == (worse and not warms_up)
    assert ("are scored" in line) == worse


@given(st.floats(1, 5000), st.floats(0.0, 3.0), st.booleans())
def test_the_test_images_may_cost_a_tenth_more_or_less(shown: float, share: float, above: bool) -> None:
    test = shown * (1 + share * (1 if above else -1))
    recent = [shown * (1 + 1e-6 * sign) for sign in (-1, 1, -1, 1)]
    if abs(share - 0.1) > 1e-3:
        assert (of_test(test, 0.0, recent, 64) is not None) == (share > 0.1)
    assert of_test(test, shown * share, recent, 64) is None
    assert of_test(test, 0.0, recent[:1], 64) is None


def old(folder: Path) -> None:
    """Make a run's request that of a version without the setting."""
    place = folder / "run.json"
    request = json.loads(place.read_bytes())
    for table in filter(None, (request["training"], request["fitting"])):
        del table["ema_warmup"]
    del request["sha256"]
    place.write_text(json.dumps(request))


CODED = "enc=conv,enc.width=4,latent=vq,latent.codes=4,prior=pixelcnn,prior.width=4,prior.layers=1"


@pytest.mark.parametrize("named", [False, True])
def test_the_words_that_began_an_old_run_go_on_with_it(
    named: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    words = (
        "run",
        "--compose",
        CODED,
        "--steps",
        4,
        *QUICK,
        "--set",
        "checkpoint=1e-9",
        "--set",
        "fit.steps=2",
    )
    words = (*words, "--out", "mine") if named else words
    constant = ("--set", "ema_warmup=false", "--set", "fit.ema_warmup=false")
    with pytest.MonkeyPatch.context() as patched:
        interrupt(patched, 3)
        assert call(*words, *constant) != 0
    (folder,) = [Path("mine")] if named else Path("runs").iterdir()
    old(folder)
    if named:
        assert call(*words, "--resume", "--set", "ema_warmup=true") == 2  # this is another run
    assert call(*words, "--resume") == 0
    record = records.read(folder / "record.json")
    assert not record.training.ema_warmup
    assert record.fit is not None
    assert not record.fit.settings.ema_warmup
    assert named or len(list(Path("runs").iterdir())) == 1


def test_the_words_that_began_an_old_refit_go_on_with_it(tmp_path: Path) -> None:
    run = ("run", "--compose", "enc=mlp,latent.dim=2", "--steps", 2, *QUICK, "--out", tmp_path / "base")
    assert call(*run) == 0
    refit = ("refit", tmp_path / "base", "--prior", "mog", "--set", "fit.steps=4", "--out", tmp_path / "new")
    refit = (*refit, "--set", "fit.checkpoint=1e-9", "--device", "cpu")
    with pytest.MonkeyPatch.context() as patched:
        interrupt(patched, 3)
        assert call(*refit, "--set", "fit.ema_warmup=false") != 0
    assert call(*refit, "--resume") == 0
    record = records.read(tmp_path / "new" / "record.json")
    assert record.fit is not None
    assert (record.fit.settings.ema_warmup, record.training.ema_warmup) == (False, True)


def test_without_an_average_there_is_no_warm_up_to_tell_runs_apart(tmp_path: Path) -> None:
    words = ("run", "--compose", "enc=mlp,latent.dim=2", "--steps", 1, *QUICK, "--set", "ema=0")
    assert call(*words, "--set", "ema_warmup=true", "--out", tmp_path / "run") == 0
    assert not records.read(tmp_path / "run" / "record.json").training.ema_warmup
    assert call(*words, "--set", "ema_warmup=false", "--out", tmp_path / "run", "--resume") == 0
