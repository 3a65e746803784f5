"""What was scored is what a plain loop comes to from the same seeds: averages, the best, the fitted prior."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.recomputation import by_hand, retrained
from tests.recomputation.retrained import Went
from tests.recomputation.runs import ASKED, Made
from vaebench.model import Vae


class Again(dict[str, tuple[Vae, Went, Went | None]]):
    """Each run trained again by hand: the model, how training went, and the fit of its prior."""

    def __init__(self, made: Made) -> None:
        super().__init__()
        self.made = made

    def __missing__(self, name: str) -> tuple[Vae, Went, Went | None]:
        run = self.made[name]
        after = run.record.get("fit") is not None
        swapped = (run.stand_in,) if after else ()
        rest, went = retrained.trained(run.build, run.data, run.record, *swapped)
        model, fit = retrained.fitted(run.build, rest, run.data, run.record) if after else (rest, None)
        self[name] = model, went, fit
        return self[name]


@pytest.fixture(scope="module")
def again(made: Made) -> Again:
    return Again(made)


def apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    """The largest difference of two sets of weights."""
    assert set(one) == set(other)
    return max((one[name].double() - other[name].double()).abs().max().item() for name in one)


@pytest.mark.parametrize("name", ASKED)
def test_the_weights_are_those_of_a_plain_loop(name: str, made: Made, again: Again) -> None:
    run, (model, _, _) = made[name], again[name]
    # Rounding grows over the steps, most where the clipped gradient of many samples is large.
    assert apart(run.weights, dict(model.state_dict())) < (4e-4 if name == "colour" else 5e-5)
    assert run.record["weights_sha256"] == by_hand.weights_sha256(run.weights)


@pytest.mark.parametrize("name", ASKED)
def test_the_record_tells_how_training_went(name: str, made: Made, again: Again) -> None:
    record, (_, went, fit) = made[name].record, again[name]
    batch = record["training"]["batch"]
    told = [(point["images"], point["nats"]) for point in record["validations"]]
    assert [images for images, _ in told] == [step * batch for step, _ in went.validations]
    assert [nats for _, nats in told] == pytest.approx([nats for _, nats in went.validations], rel=1e-4)
    budget = record["budget"]
    assert budget["best_step"] == went.best_step
    assert budget["skipped"] == went.skipped
    assert (budget["steps"], budget["images"]) == (record["training"]["steps"], batch * 28)
    assert budget["parameters"] == sum(p.numel() for p in made[name].build().parameters())
    assert budget["images_per_second"] == pytest.approx(budget["images"] / budget["train_seconds"])
    assert budget["train_seconds"] >= record["validations"][-1]["seconds"] > 0
    assert (fit is None) == (record.get("fit") is None)
    if fit is not None:
        assert (record["fit"]["best_step"], record["fit"]["skipped"]) == (fit.best_step, fit.skipped)
        assert (record["fit"]["steps"], record["fit"]["images"]) == (25, 25 * 50)
        kept = history(made[name].folder)["fit"]
        assert [point["nats"] for point in kept] == pytest.approx([n for _, n in fit.validations], rel=1e-4)
        assert record["fit"]["seconds"] >= kept[-1]["seconds"] > 0


def history(folder: Path) -> dict[str, Any]:
    return json.loads((folder / "history.json").read_text())


def test_the_runs_tell_mistakes_apart(made: Made, again: Again) -> None:
    """Were one of these not so, a wrong choice of weights could pass the tests above."""
    assert again["grey"][1].best_step < 28
    for name in ("grey", "binary", "coded", "hierarchical"):
        model, went, _ = again[name]
        raw = {n: t for n, t in went.raw.items() if not n.startswith("prior.")}
        assert apart(raw, {n: t for n, t in model.state_dict().items() if n in raw}) > 4e-3, name
    assert 0 < again["binary"][1].skipped < 10
    assert made["colour"].data.image.channels == 3
