"""``vaebench run --from``: a run that starts from another's weights, and what it refuses."""

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.command import call
from vaebench import records
from vaebench.errors import DamagedError, UsageError
from vaebench.run import start as starting
from vaebench.run.folder import RunFolder
from vaebench.training import checkpoint

TINY = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik.components=1"
QUICK = ("--set", "extractor=off", "--set", "samples=1", "--set", "validate=0", "--device", "cpu")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "base"
    settings = ("--set", "shift=3", "--set", "lr=5e-3", "--set", "ema=0.5")
    assert call("run", "--compose", TINY, "--steps", 3, *settings, *QUICK, "--out", out) == 0
    return out


def test_a_run_starts_from_just_those_weights_and_says_so(base: Path, tmp_path: Path) -> None:
    out = tmp_path / "tuned"
    still = ("--set", "lr=1e-30", "--set", "weight_decay=0")
    assert call("run", "--from", base, "--steps", 2, "--seed", 5, *still, *QUICK, "--out", out) == 0
    before, after = (checkpoint.load(f / "weights").tensors["model"] for f in (base, out))
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    record, old = records.read(out / "record.json"), records.read(base / "record.json")
    assert record.base is not None
    assert (record.base.weights_sha256, record.base.command) == (old.weights_sha256, old.command)
    assert not record.base.frozen
    assert record.command.startswith(f"{old.command} --out base && vaebench run --from base ")
    assert (record.composition, record.training.shift, record.training.ema) == (old.composition, 3.0, 0.5)
    assert (record.seed, record.training.lr, record.budget.steps) == (5, 1e-30, 2)


def test_an_interrupted_run_goes_on_from_what_it_started_from(base: Path, tmp_path: Path) -> None:
    """Without the base's folder: its weights are in the run's own."""
    words = ("run", "--from", base, "--steps", 4, *QUICK)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert call(*words, "--out", whole) == 0
    folder = RunFolder(cut)
    with folder.locked():
        folder.write_request(RunFolder(whole).request())
        starting.keep(RunFolder(base), folder)
    assert call("run", "--resume", "--out", cut, "--device", "cpu") == 0
    first, second = (records.read(f / "record.json").weights_sha256 for f in (whole, cut))
    assert first == second
    checkpoint.save(folder.start, checkpoint.load(whole / "weights"))
    with pytest.raises(DamagedError, match="does not contain the weights from which this run starts"):
        starting.weights(folder)


def test_other_images_or_parts_are_refused_before_a_folder_is_made(
    base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "none"
    for words, said in (
        (
            ["--data", "digits,levels=5"],
            r"was trained on images of 1x8x8, 17 levels, but the data are .* 5 levels",
        ),
        (["--compose", TINY.replace("dim=2", "dim=3")], r"differs in shape: .*, here \(6, 8, 1, 1\)"),
        (["--compose", f"{TINY},enc.layers=3"], "lacks: encoder"),
        (["--compose", f"{TINY},enc.layers=1"], "has tensors that this composition lacks: encoder"),
    ):
        assert call("run", "--from", base, *words, *QUICK, "--out", out) == 2
        line = capsys.readouterr().err.strip()
        assert "\n" not in line
        assert re.search(said, line), line
        assert not out.exists()
    assert call("run", "--from", tmp_path / "absent", "--out", out) == 2
    assert "it has no run.json" in capsys.readouterr().err


def test_only_the_first_few_names_are_said() -> None:
    model = nn.Sequential(*(nn.Linear(1, 1) for _ in range(4)))
    with pytest.raises(UsageError, match=r"^file lacks: 0.weight; 0.bias; 1.weight and 5 more$"):
        starting.refuse_unfit(model, {}, "file")
    starting.refuse_unfit(model, model.state_dict(), "file")
