"""Faults that users of other programs of this field reported in public, tried here; each with its address."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.command import call
from vaebench import records
from vaebench.evaluation.fid import frechet, kid, moments

SMALL = ("--compose", "enc=mlp,enc.hidden=8,dec=mlp,dec.hidden=8,lik=categorical")
QUICK = ("--steps", 2, "--set", "samples=1", "--set", "extractor=off", "--device", "cpu")
CODES = "enc=conv,latent={},latent.codes=300,prior=uniform,dec=conv,lik=categorical"


def pictures(folder: Path, count: int, seed: int = 0) -> Path:
    """A folder of random grey images, 32 a side."""
    folder.mkdir(parents=True)
    chance = np.random.default_rng(seed)
    for number in range(count):
        Image.fromarray(chance.integers(0, 255, (32, 32), dtype=np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.mark.parametrize("count", [4, 63, 500])
@pytest.mark.parametrize("same", [True, False])
def test_fid_of_collapsed_or_few_images_is_a_real_number(count: int, same: bool) -> None:
    """https://github.com/bioinf-jku/TTUR/issues/4: FID is nan or complex where covariances are singular."""
    found = torch.randn(1 if same else count, 64, dtype=torch.float64).expand(count, 64).clone()
    real = torch.randn(300, 64, dtype=torch.float64)
    value = frechet(moments(found), moments(real))
    assert np.isfinite(value)
    assert value > 0
    assert abs(frechet(moments(found), moments(found))) < 1e-3


@pytest.mark.parametrize(("ours", "theirs"), [(4, 876), (876, 4), (99, 1001), (5, 5)])
def test_kid_needs_no_thousand_images(ours: int, theirs: int) -> None:
    """https://github.com/toshas/torch-fidelity/issues/45: KID fails where a subset exceeds the images."""
    value, error = kid(*(torch.randn(n, 16, dtype=torch.float64) for n in (ours, theirs)))
    assert np.isfinite([value, error]).all()


def test_a_split_of_whole_batches_and_one_image_trains(tmp_path: Path) -> None:
    """https://github.com/scverse/scvi-tools/issues/426: a last batch of one fails in a batch norm."""
    pytest.importorskip("vaebench_nvae", reason="no built-in part has a batch norm")
    for split, count in (("train", 17), ("val", 9), ("test", 9)):
        pictures(tmp_path / "data" / split, count)
    run = tmp_path / "run"
    words = ("--set", "batch=16", "--epochs", 2, "--set", "score_batch=8", *QUICK[2:])
    compose = ("--compose", "enc=nvae,enc.width=2,enc.groups=2,lik=categorical")
    code = call("run", *compose, "--data", f"folder:{tmp_path / 'data'}", *words, "--out", run)
    assert code == 0
    record = records.read(run / "record.json")
    assert record.scores.likelihood.images == 9
    assert record.budget.images == 16 * record.budget.steps


@pytest.mark.parametrize("latent", ["vq", "ema-vq"])
def test_a_codebook_larger_than_the_first_batch_trains(latent: str, tmp_path: Path) -> None:
    """https://github.com/lucidrains/vector-quantize-pytorch/issues/205: codes revived from few vectors."""
    data, run = pictures(tmp_path / "data", 10), tmp_path / "run"
    words = ("--data", f"folder:{data}", "--set", "batch=1", *QUICK, "--out", run)
    assert call("run", "--compose", CODES.format(latent), *words) == 0
    assert records.read(run / "record.json").status == "ok"


def test_hidden_folders_and_files_are_no_classes_and_no_images(tmp_path: Path) -> None:
    """https://github.com/pytorch/vision/issues/2831: .ipynb_checkpoints becomes a class."""
    for name in ("cat", "dog", ".ipynb_checkpoints"):
        pictures(tmp_path / "data" / name, 10)
    (tmp_path / "data" / ".DS_Store").write_bytes(b"\0\1")
    shutil.copy(tmp_path / "data" / "cat" / "1.png", tmp_path / "data" / "cat" / "._1.png")
    assert (
        call("run", *SMALL, "--data", f"folder:{tmp_path / 'data'}", *QUICK, "--out", tmp_path / "run") == 0
    )
    data = records.read(tmp_path / "run" / "record.json").data
    assert data.train + data.validation + data.test == 20


def test_skipping_every_step_ends_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """https://github.com/openai/vdvae/issues/25: once the gradient is above the threshold, all steps are."""
    words = ("--steps", 50, *QUICK[2:], "--set", "skip=1e-9", "--out", tmp_path / "run")
    assert call("run", *SMALL, *words) == 3
    assert "skip" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize("name", ["a [1]*?", "x=1, y={2}", "it's %d ${HOME}", "1e5"])
def test_folders_of_any_name_hold_runs_and_boards(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """https://github.com/ray-project/ray/issues/15367: brackets in a folder's name hide its checkpoints."""
    run, board = tmp_path / name, tmp_path / name / "board"
    assert call("run", *SMALL, *QUICK, "--set", "checkpoint=1e-9", "--out", run) == 0
    weights = records.read(run / "record.json").weights_sha256
    (run / "record.json").unlink()
    assert call("run", "--resume", "--out", run, "--device", "cpu") == 0
    assert records.read(run / "record.json").weights_sha256 == weights
    for verb in ("sample", "latents"):
        assert call(verb, run, "--device", "cpu") == 0
    assert call("submit", run, "--root", board) == 0
    assert call("leaderboard", "--root", board) == 0
    assert call("leaderboard", "--check", "--root", board) == 0
    assert "step" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["123E456", "1e5", "007", "true", "null", "0x10"])
def test_text_that_looks_like_a_number_stays_text(name: str, tmp_path: Path) -> None:
    """https://github.com/hydra-ecosystem/hydra/issues/2599: 123E456 is read as a number."""
    data = pictures(tmp_path / name, 10)
    recipe = tmp_path / "recipe.toml"
    table = f'data = "folder:{data}"\n[compose]\nenc = "mlp"\n[settings]\nsteps = 1\nlr = "1e-3"\n'
    recipe.write_text(table + 'samples = 1\nextractor = "off"\n')
    run = tmp_path / "run"
    assert call("run", "--recipe", recipe, "--set", "batch=2", "--device", "cpu", "--out", run) == 0
    record = records.read(run / "record.json")
    assert record.data.spec == f"folder:{data},split=hash"
    assert record.training.lr == 1e-3
    assert json.loads((run / "run.json").read_bytes())["data"] == f"folder:{data},split=hash"
