"""``vb.steps``: the loop of a run, step by step, in one's own hands."""

from pathlib import Path

import pytest
import torch

import vaebench as vb
from vaebench.errors import UsageError
from vaebench.training import checkpoint

from .conftest import QUICK, TINY

CODED = "enc=conv,enc.width=4,latent=ema-vq,latent.codes=4,latent.dim=2,prior=uniform,lik=categorical"
DRAWN = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,prior=vamp,prior.components=3,lik=categorical"


@pytest.mark.parametrize("spec", [TINY, CODED, DRAWN], ids=["flat", "codes", "vamp"])
def test_a_plain_loop_has_the_weights_of_a_run(spec: str, tmp_path: Path) -> None:
    """Bit for bit, with the run's optimiser: images, noise, begin and after_step agree."""
    plain = {"optimiser": "adam", "lr": 0.01, "weight_decay": 0.0, "warmup": 0, "schedule": "constant"}
    loop = {"ema": 0.0, "clip": 0.0, "validate": 0.0, "keep_best": False}
    run = vb.train(spec, steps=7, seed=3, batch=32, out=tmp_path / "run", **plain, **loop, **QUICK)
    model = vb.compose(spec, seed=3)
    rule = torch.optim.Adam(model.parameters(), lr=0.01, betas=(0.9, 0.99), fused=True)
    before = torch.random.get_rng_state()
    for step in vb.steps(model, batch=32, steps=7, seed=3):
        rule.zero_grad()
        step.loss.backward()
        rule.step()
        step.after_step()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert checkpoint.weights_sha256(model.state_dict()) == run.record.weights_sha256


def test_terms_are_per_image_and_make_the_loss() -> None:
    model = vb.compose(f"{TINY},obj.warmup=0")
    for number, step in enumerate(vb.steps(model, batch=10, steps=2)):
        assert step.number == number
        assert step.images.shape == (10, 1, 8, 8)
        assert step.labels is not None
        assert step.distortion.shape == step.rate.shape == step.elbo.shape == (10,)
        torch.testing.assert_close(step.loss, -step.elbo.mean())
        torch.testing.assert_close(step.elbo, -(step.rate + step.distortion))
        assert step.rate.requires_grad


@pytest.mark.parametrize(
    ("given", "count"), [({"epochs": 1}, 40), ({"epochs": 0.5, "batch": 100}, 7), ({"steps": 3}, 3)]
)
def test_a_budget_is_steps_or_epochs(given: dict, count: int) -> None:
    """1,257 training images, 32 of them a step unless said otherwise."""
    assert len(list(vb.steps(vb.compose(TINY), **{"batch": 32, **given}))) == count


def test_training_goes_on_from_a_run(finished: Path) -> None:
    model = vb.load(finished).model
    (step,) = vb.steps(model, steps=1)
    step.loss.backward()
    assert model.training


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"steps": 1, "epochs": 1}, "give steps or epochs, not both"),
        ({"steps": 0}, "steps=0: an integer >= 1"),
        ({"batch": 0}, "batch=0: an integer >= 1"),
        ({"data": "digits,levels=2"}, "the model is made for images of 1x8x8, 17 levels"),
    ],
)
def test_what_is_wrong_is_said_when_the_loop_is_asked_for(given: dict, line: str) -> None:
    with pytest.raises(UsageError, match=line):
        vb.steps(vb.compose(TINY), **given)
