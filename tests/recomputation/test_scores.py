"""Every number of a record's scores, computed again from the run's weights, its data and its noise."""

import base64
import io
import json
import math
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from tests.recomputation import by_hand
from tests.recomputation.offered import projection
from tests.recomputation.retrained import seen_once
from tests.recomputation.runs import ASKED, Made, Run, command


def same(recorded: Any, computed: Any, tolerance: float = 1e-5, where: str = "") -> None:
    """Every number of ``computed`` stands in ``recorded``; words and counts exactly."""
    if isinstance(computed, Mapping):
        for name, value in computed.items():
            same(recorded[name], value, tolerance, f"{where}.{name}")
    elif isinstance(computed, Sequence) and not isinstance(computed, str):
        assert len(recorded) == len(computed), where
        for place, (one, other) in enumerate(zip(recorded, computed, strict=True)):
            same(one, other, tolerance, f"{where}[{place}]")
    elif isinstance(computed, float):
        assert math.isclose(recorded, computed, rel_tol=tolerance, abs_tol=1e-7), (where, recorded, computed)
    else:
        assert recorded == computed, where


def digit_features(images: Tensor, levels: int) -> np.ndarray:
    """The digits' extractor by its layers, from its weights file, in float64."""
    file = resources.files("vaebench.evaluation") / "weights" / "digits.safetensors"
    w = {name: tensor.double() for name, tensor in safetensors.torch.load(file.read_bytes()).items()}
    h = images.double() / (levels - 1)
    for layer, stride in ((0, 1), (2, 2), (4, 2)):
        weight, bias = w[f"features.{layer}.weight"], w[f"features.{layer}.bias"]
        h = F.silu(F.conv2d(h, weight, bias, stride, padding=1))
    h = h.flatten(1) @ w["features.7.weight"].T + w["features.7.bias"]
    return ((h - w["features.8.running_mean"]) / (w["features.8.running_var"] + 1e-5).sqrt()).numpy()


def colour_features(images: Tensor, levels: int) -> np.ndarray:
    return torch.tanh(images.flatten(1).double() / (levels - 1) @ projection()).numpy()


FEATURES = {"digits": digit_features, "colour-sums": colour_features}


def exact(run: Run) -> Any:
    """The model in float64; codes are found in the dtype in which they were trained."""
    return run.model if run.data.name == "digits" and "perplexity" in likelihood(run) else run.model.double()


def likelihood(run: Run) -> dict[str, Any]:
    return run.record["scores"]["likelihood"]


def test_likelihood_and_latents(run: Run) -> None:
    computed = by_hand.likelihood(exact(run), run.data, run.record["scoring"])
    same(likelihood(run), computed)
    same(computed["elbo"]["nats"], likelihood(run)["rate"]["nats"] + likelihood(run)["distortion"]["nats"])
    assert set(likelihood(run).get("perplexity", ())) == set(computed.get("perplexity", ()))


def test_the_bound_is_named_by_what_it_is(made: Made) -> None:
    bounds = {name: likelihood(made[name])["bound"] for name in ASKED}
    assert bounds == dict.fromkeys(ASKED, "iwae") | {"coded": "two-part"}
    assert all(likelihood(made[name])["exact_prior"] for name in ASKED)
    assert likelihood(made["colour"])["images"] == 40
    assert len(likelihood(made["hierarchical"])["units"]) == 3


def test_the_tightness_curve(run: Run) -> None:
    if "perplexity" in likelihood(run):
        assert likelihood(run).get("tightness") is None
        return
    same(likelihood(run)["tightness"], by_hand.tightness(exact(run), run.data, run.record["scoring"]))


def test_fid_and_kid_are_of_integer_samples_against_the_training_split(run: Run) -> None:
    recorded, levels = run.record["scores"]["fid"], run.data.image.levels
    features = FEATURES[recorded["extractor"]]
    samples = by_hand.generated(run.model, run.record["scoring"], run.record["scoring"]["fid_images"])
    assert samples.dtype == torch.int64
    train = seen_once(run.data)
    same(recorded, by_hand.fid(features(samples, levels), features(train, levels)), 1e-4)
    assert recorded["reference"] == "training split"
    assert (recorded["images"], recorded["reference_images"]) == (len(samples), len(train))
    assert recorded["features"] == features(samples, levels).shape[1]
    assert recorded["temperature"] == run.record["scoring"]["temperature"]
    assert not recorded["few_images"]


def test_the_histogram_baseline(run: Run) -> None:
    train, test = seen_once(run.data), run.data.test.images
    same(
        run.record["scores"]["histogram_bits_per_dim"], by_hand.histogram(train, test, run.data.image.levels)
    )


def test_the_pictures_show_what_was_scored(run: Run) -> None:
    scoring, levels = run.record["scoring"], run.data.image.levels
    samples = by_hand.generated(run.model, scoring, 64)
    test = run.data.test.images
    places = torch.tensor([i * (len(test) - 1) // 35 for i in range(36)])
    places = places[[i * 35 // 7 for i in range(8)]]
    assert shown(run.record["pictures"]["samples"]).shape[0] == 8
    alike(shown(run.record["pictures"]["samples"]), samples[:8], levels)
    alike(shown((run.folder / "samples.png").read_bytes()), samples[:64], levels)
    alike(shown(run.record["pictures"]["reconstructions"])[:8], test[places], levels)


def shown(png: str | bytes) -> np.ndarray:
    """The images of a grid, (N, h, w, 3): cells of 48 pixels with a white margin of one."""
    content = base64.b64decode(png) if isinstance(png, str) else png
    grid = np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)
    rows, columns = grid.shape[0] // 50, grid.shape[1] // 50
    cells = grid[: rows * 50, : columns * 50].reshape(rows, 50, columns, 50, 3).swapaxes(1, 2)
    return cells.reshape(-1, 50, 50, 3)[:, 4::6, 4::6][:, :8, :8]


def alike(cells: np.ndarray, images: Tensor, levels: int) -> None:
    assert len(cells) >= len(images)
    due = images.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).numpy() * (255 / (levels - 1))
    assert np.abs(cells[: len(images)] - due).max() <= 1


@pytest.mark.parametrize("samples", [2, 7])
def test_scoring_again_under_another_protocol(made: Made, samples: int) -> None:
    run = made["hierarchical"]
    printed = command("eval", run.folder, "--set", f"samples={samples}", "--set", "extractor=off", "--json")
    scores = json.loads(printed)
    scoring = run.record["scoring"] | {"samples": samples}
    same(scores["likelihood"], by_hand.likelihood(exact(run), run.data, scoring))
    assert scores["fid"]["outcome"] == "missing"
