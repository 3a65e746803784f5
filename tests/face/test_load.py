"""``vb.load``, ``vb.evaluate``: a run looked into, with its data or without."""

import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest
import torch

import vaebench as vb
from tests.command import call
from vaebench.errors import DamagedError, OtherDataError, UsageError, VaebenchError
from vaebench.records import Scores
from vaebench.training import checkpoint

from .conftest import QUICK, TINY


def test_a_run_tells_what_it_is(finished: Path) -> None:
    run = vb.load(finished)
    assert not run.model.training
    assert run.request.compose == run.record.composition == run.model.spec
    assert run.record.budget.steps == 3
    assert repr(run).startswith(f"Run('{finished}', 'enc=mlp")
    assert list(run.history.columns) == ["stage", "step", "images", "seconds", "nats", "bits_per_dim"]
    (point,) = run.record.validations
    (row,) = run.history.itertuples()
    assert (row.images, row.nats) == (point.images, point.nats)
    assert row.bits_per_dim == pytest.approx(point.nats / (64 * np.log(2)))


def test_draws_are_those_of_the_seed_and_torch_draws_on_as_before(finished: Path) -> None:
    run = vb.load(finished)
    x = run.data.test.images[:7]
    before = torch.random.get_rng_state()
    for draw in (lambda seed: run.sample(5, 0.7, seed), lambda seed: run.reconstruct(x, seed)):
        assert torch.equal(draw(1), draw(1))
        assert not torch.equal(draw(1), draw(2))
    run.encode(x)
    vb.evaluate(run, samples=1, extractor="off", progress="off")
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run.sample(5).dtype == torch.int64
    with pytest.raises(UsageError, match="class 1: the prior of this run has no classes"):
        run.sample(2, label=1)


def test_a_run_whose_data_are_gone_can_be_sampled(tmp_path: Path) -> None:
    from PIL import Image

    photos, generator = tmp_path / "photos", np.random.RandomState(0)
    photos.mkdir()
    for number in range(12):
        Image.fromarray(generator.randint(0, 256, (8, 8, 3)).astype(np.uint8)).save(photos / f"{number}.png")
    out, data = tmp_path / "run", "folder:photos,size=8,levels=4"
    vb.train(TINY, data=data, steps=2, out=out, **QUICK)
    (photos / "0.png").unlink()
    with pytest.raises(
        OtherDataError, match=r"its images or their split have changed|its files have changed"
    ):
        vb.load(out).encode()
    assert vb.load(out, other_data=True).encode()["z"].shape == (1, 2, 1, 1)
    shutil.rmtree(photos)
    run = vb.load(out)
    x = run.sample(3)
    assert x.shape == run.reconstruct(x).shape == (3, 3, 8, 8)
    assert len(run.encode(x)) == 3
    with pytest.raises(UsageError, match="no such folder"):
        run.encode()


def test_scores_are_those_of_the_record_and_of_the_command(
    finished: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = vb.load(finished)
    assert vb.evaluate(run, progress="off") == vb.evaluate(run.model, data="digits", progress="off")
    scores = vb.evaluate(run, progress="off")
    assert scores.likelihood == run.record.scores.likelihood
    assert call("eval", finished, "--set", "samples=3", "--json") == 0
    told = msgspec.json.decode(capsys.readouterr().out, type=Scores)
    assert told == vb.evaluate(run, samples=3, progress="off")
    assert told.likelihood.samples == 3


def test_a_model_is_scored_in_evaluation_mode_and_goes_on_as_it_was() -> None:
    """In training mode a codebook of moving averages would take in what it looks up."""
    model = vb.compose("enc=conv,enc.width=4,latent=ema-vq,latent.codes=5,prior=uniform,lik=categorical")
    weights = checkpoint.weights_sha256(model.state_dict())
    vb.evaluate(model, samples=1, extractor="off", progress="off")
    vb.encode(model, torch.zeros(2, 1, 8, 8, dtype=torch.uint8))
    assert checkpoint.weights_sha256(model.state_dict()) == weights
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"smaples": 3}, "smaples.*did you mean samples"),
        ({"lr": 3}, "lr"),
        ({"data": "digits,levels=2"}, "the model is made for images of 1x8x8, 17 levels"),
    ],
)
def test_what_cannot_be_scored_is_one_line(finished: Path, given: dict, line: str) -> None:
    with pytest.raises(VaebenchError, match=line) as caught:
        vb.evaluate(vb.load(finished), progress="off", **given)
    assert "\n" not in str(caught.value)


def test_what_is_no_run_is_refused(tmp_path: Path, finished: Path) -> None:
    with pytest.raises(UsageError, match="is not a run folder"):
        vb.load(tmp_path / "nothing")
    damaged = tmp_path / "damaged"
    shutil.copytree(finished, damaged)
    weights = damaged / "weights" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(DamagedError, match="has changed since it was written"):
        vb.load(damaged)
