"""Wrong arguments are refused in one line, before anything is computed or written."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vaebench as vb
from vaebench.errors import VaebenchError

from .conftest import TINY

QUICK: dict[str, Any] = {"steps": 1, "samples": 1, "extractor": "off", "progress": "off", "device": "cpu"}
NO_SEEDS = [-1, 2**62 + 1, 1.0, True, "0", np.float64(1), np.bool_(True), torch.zeros(2)]
NO_PATHS: list[Any] = [3, b"bytes", "nul\0inside", 1.5]


@pytest.mark.parametrize("seed", NO_SEEDS, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda seed, out: vb.compose(TINY, seed=seed),
        lambda seed, out: vb.train(TINY, seed=seed, out=out, **QUICK),
        lambda seed, out: vb.steps(vb.compose(TINY), steps=1, seed=seed),
        lambda seed, out: vb.encode(vb.compose(TINY), seed=seed),
    ],
)
def test_a_seed_that_is_none_is_refused(call: Callable[..., object], seed: object, tmp_path: Path) -> None:
    """The command line's range holds in Python too, and no run folder is begun."""
    with pytest.raises(VaebenchError, match=r"^seed=.*an integer >= 0 and <= \d+ is expected$"):
        call(seed, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", NO_PATHS, ids=repr)
@pytest.mark.parametrize(
    "call",
    [
        lambda path: vb.compose(TINY, data_root=path),
        lambda path: vb.train(TINY, out=path, **QUICK),
        lambda path: vb.train(TINY, data_root=path, **QUICK),
        lambda path: vb.load(path),
        lambda path: vb.export(vb.compose(TINY), path),
        lambda path: vb.encode(vb.compose(TINY)).save(path),
        lambda path: vb.leaderboard(path),
    ],
)
def test_a_path_that_is_none_is_refused(call: Callable[..., object], path: object) -> None:
    with pytest.raises(VaebenchError, match=r"a path .*is expected"):
        call(path)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    model = vb.compose(TINY)
    for call in (lambda: vb.export(model, file), lambda: vb.encode(model).save(file / "z.npz")):
        with pytest.raises(VaebenchError, match="cannot be written"):
            call()
    assert file.read_text() == "kept"


@pytest.mark.parametrize("model", [None, 3, torch.nn.Identity()], ids=["None", "3", "module"])
@pytest.mark.parametrize("call", [vb.encode, vb.evaluate, vb.steps, lambda m: vb.export(m, "x")])
def test_what_is_no_model_is_refused(call: Callable[..., object], model: object) -> None:
    with pytest.raises(VaebenchError, match=r"^a model of vb\.compose or a run is expected, not "):
        call(model)


@pytest.mark.parametrize("progress", [None, 3, "loud"])
def test_what_is_no_reporter_is_refused(progress: Any, tmp_path: Path) -> None:
    with pytest.raises(VaebenchError, match=r"^progress=.*is expected"):
        vb.train(TINY, out=tmp_path / "run", **{**QUICK, "progress": progress})
    assert not (tmp_path / "run").exists()


def test_other_keys_and_kinds_are_refused() -> None:
    with pytest.raises(VaebenchError, match="the names of slots are expected"):
        vb.compose({3: "mlp"})  # type: ignore[dict-item]
    with pytest.raises(VaebenchError, match="the name of a kind is expected"):
        vb.list_parts(3)  # type: ignore[arg-type]


def test_numbers_of_numpy_mean_what_pythons_mean(tmp_path: Path) -> None:
    """A sweep over ``np.arange`` or ``np.logspace`` gives NumPy's numbers."""
    table = {"encoder": {"name": "mlp", "hidden": 8}, "latent": {"name": "gaussian", "dim": 2}}
    swept = {
        "encoder": {"name": "mlp", "hidden": np.int64(8)},
        "latent": {"name": "gaussian", "dim": np.uint8(2)},
    }
    models = [vb.compose(table, seed=3), vb.compose(swept, seed=np.int64(3))]  # type: ignore[arg-type,dict-item]
    ours, theirs = (model.state_dict() for model in models)
    assert models[0].spec == models[1].spec
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    settings = {**QUICK, "steps": np.int64(1), "lr": np.float32(0.5)}
    run = vb.train(models[1], seed=np.int32(3), out=tmp_path / "run", **settings)  # type: ignore[arg-type]
    assert (run.request.seed, run.request.training.lr, run.request.training.steps) == (3, 0.5, 1)


def test_samples_are_asked_for_sensibly(tmp_path: Path) -> None:
    run = vb.train(TINY, out=tmp_path / "run", **QUICK)
    for wrong in (
        {"count": -1},
        {"count": 2.0},
        {"temperature": -1.0},
        {"temperature": float("nan")},
        {"seed": "a"},
        {"label": -1},
        {"label": "cat"},
    ):
        with pytest.raises(VaebenchError, match="is expected"):
            run.sample(**wrong)  # type: ignore[arg-type]
