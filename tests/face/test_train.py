"""``vb.train``: the command's run; with classes and images of one's own; what it refuses."""

import json
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import vaebench as vb
from tests.command import call
from vaebench import leaderboard, records
from vaebench.errors import UsageError, VaebenchError
from vaebench.leaderboard.pages import board

from .conftest import QUICK, TINY
from .own import MyEncoder
from .test_code import run_cell

OWN = {"latent": "gaussian,latent.dim=2", "decoder": "mlp,dec.hidden=8", "likelihood": "categorical"}


def weights(folder: Path) -> str | None:
    return records.read(folder / "record.json").weights_sha256


def test_it_is_the_run_of_the_command(tmp_path: Path) -> None:
    """The same weights, scores and command, whether from a text, from a model or from the command line."""
    words = ["--set", "samples=1", "--set", "extractor=off", "--set", "lr=0.001", "--device", "cpu"]
    given = {"steps": 3, "seed": 5, "lr": 0.001, **QUICK}
    assert (
        call("run", "--compose", TINY, "--steps", 3, "--seed", 5, *words, "--out", tmp_path / "command") == 0
    )
    text = vb.train(TINY, out=tmp_path / "text", **given)
    composed = vb.train(vb.compose(TINY, seed=5), out=tmp_path / "model", **{**given, "seed": None})
    told = [records.read(tmp_path / name / "record.json") for name in ("command", "text", "model")]
    assert len({(r.weights_sha256, r.command, r.scores.likelihood.nll.nats) for r in told if r.scores}) == 1
    assert composed.request == text.request


def test_the_recorded_command_repeats_a_run_from_python(tmp_path: Path) -> None:
    run = vb.train(TINY, steps=2, batch=32, beta1=0.8, out=tmp_path / "python", **QUICK)
    _, *words = shlex.split(run.record.command)
    assert call(*words, "--device", "cpu", "--out", tmp_path / "again") == 0
    assert weights(tmp_path / "again") == run.record.weights_sha256


def test_the_given_model_holds_the_trained_weights_and_torch_draws_on_as_before(tmp_path: Path) -> None:
    model = vb.compose(TINY)
    before = torch.random.get_rng_state()
    run = vb.train(model, steps=2, out=tmp_path / "a", **QUICK)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert run.model is model
    assert not model.training
    opened = vb.load(tmp_path / "a").model.state_dict()
    assert all(torch.equal(tensor, opened[name]) for name, tensor in model.state_dict().items())
    with pytest.raises(UsageError, match=r"this model has been trained.*vb\.steps"):
        vb.train(model, steps=2, out=tmp_path / "b", **QUICK)


def test_a_finished_run_is_returned_and_an_interrupted_one_goes_on(tmp_path: Path) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    class Interrupting:
        """A reporter of one's own, which stops the run at its third step."""

        def step(self, step: int, *rest: Any) -> None:
            if step == 3:
                raise Stop

        def __getattr__(self, name: str) -> Any:
            return lambda *words: None

    given = {"steps": 5, "checkpoint": 1e-9, **QUICK}
    whole = vb.train(TINY, out=tmp_path / "whole", **given)
    with pytest.raises(Stop):
        vb.train(TINY, out=tmp_path / "cut", **{**given, "progress": Interrupting()})
    with pytest.raises(UsageError, match="cut has no weights yet"):
        vb.load(tmp_path / "cut")
    with pytest.raises(UsageError, match="contains this run already, interrupted"):
        vb.train(TINY, out=tmp_path / "cut", **given)
    cut = vb.train(TINY, out=tmp_path / "cut", resume=True, **given)
    assert cut.record.weights_sha256 == whole.record.weights_sha256
    assert vb.train(TINY, out=tmp_path / "cut", resume=True, **given).record == cut.record


def test_training_starts_from_a_run(tmp_path: Path, finished: Path) -> None:
    run = vb.load(finished)
    further = vb.train(run, steps=2, out=tmp_path / "further", **QUICK)
    assert further.record.base is not None
    assert further.record.base.weights_sha256 == run.record.weights_sha256


def test_settings_of_a_fit_are_a_table(tmp_path: Path) -> None:
    coded = "enc=conv,enc.width=4,latent=vq,latent.codes=4,prior=pixelcnn,prior.width=4,prior.layers=1"
    run = vb.train(coded, steps=2, fit={"steps": 3}, out=tmp_path / "coded", **QUICK)
    assert run.record.fit is not None
    assert run.record.fit.steps == 3
    assert list(run.history.stage) == ["training", "fit"]


@pytest.mark.parametrize(
    ("given", "line"),
    [
        ({"epohs": 3}, "unknown setting epohs.*did you mean epochs"),
        ({"steps": 1, "epochs": 1}, "give steps or epochs, not both"),
        ({"steps": 0}, "steps=0: an integer >= 1"),
        ({"seed": 3}, "seed=3: this model was composed with seed=0; compose it anew with seed="),
        ({"data": "digits,levels=2"}, "data=digits,levels=2: this model was composed with data=digits"),
        ({"shift": 1.0}, "shift=1.0: this model was composed with shift=None"),
        ({"fit": 3}, "fit: a table of settings"),
        ({"device": "tpu"}, "device=tpu: auto, cpu or cuda is expected"),
    ],
)
def test_what_does_not_fit_the_model_is_one_line(given: dict, line: str) -> None:
    with pytest.raises(VaebenchError, match=line) as caught:
        vb.train(vb.compose(TINY), **{**QUICK, **given})
    assert "\n" not in str(caught.value)
    assert not Path("runs").exists()


def test_a_model_of_ones_own_wiring_is_refused() -> None:
    import copy

    for model in (copy.deepcopy(vb.compose(TINY)), torch.nn.Linear(2, 2)):
        with pytest.raises(UsageError, match=r"vb\.compose"):
            vb.train(model, **QUICK)  # type: ignore[arg-type]


def test_a_class_of_ones_own_is_recorded_and_never_ranked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = vb.train(vb.compose(encoder=MyEncoder, **OWN), steps=2, out=tmp_path / "own", **QUICK)
    part = run.record.parts["enc"]
    assert (part.package, part.parameters) == ("unregistered", {"width": 5})
    assert part.source_sha256 is not None
    assert part.source_sha256.startswith(part.package_version)
    assert call("submit", tmp_path / "own", "--root", tmp_path / "boards") == 2
    assert "cannot be ranked: no plugin registers its enc" in capsys.readouterr().err
    assert not (tmp_path / "boards" / "records").exists() or not list(
        (tmp_path / "boards" / "records").iterdir()
    )
    for page in board([run.record]).values():
        assert not page.sections
        assert [record for _, record in page.unscored] == [run.record]
    (text,) = (
        content.decode() for name, content in leaderboard.pages([run.record]).items() if name == "digits.md"
    )
    assert "## Not ranked" in text
    assert "not registered: enc" in text


def test_a_class_of_ones_own_is_needed_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "own"
    run = vb.train(vb.compose(encoder=MyEncoder, **OWN), steps=2, out=out, **QUICK)
    again = vb.load(out, classes=[MyEncoder])
    assert torch.equal(again.sample(4), run.sample(4))
    assert (
        vb.train(vb.compose(encoder=MyEncoder, **OWN), steps=2, out=out, resume=True, **QUICK).record
        == run.record
    )
    with pytest.raises(
        UsageError, match=r"is a class that no plugin registers: give the class to vb\.train or vb\.load"
    ):
        vb.load(out)
    for words in (
        ("run", "--resume", "--out", out),
        ("eval", out),
        ("sample", out),
        ("encode", out, "--out", "x.npz"),
    ):
        assert call(*words) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert "is a class that no plugin registers: give the class to vb.train" in line


def test_a_class_whose_code_has_changed_is_refused(tmp_path: Path) -> None:
    names: dict[str, Any] = {"__name__": "__main__", "Own": MyEncoder}
    text = "class Mine(Own):\n    def forward(self, x):\n        return super().forward(x * 1)\n"
    run_cell(text, names)
    out, given = tmp_path / "own", {"steps": 2, **QUICK}
    vb.train(vb.compose(encoder=names["Mine"], **OWN), out=out, **given)
    run_cell("# nothing that runs\n" + text, names)
    vb.train(vb.compose(encoder=names["Mine"], **OWN), out=out, resume=True, **given)
    run_cell(text.replace("* 1", "* 2"), names)
    with pytest.raises(UsageError, match="enc: the code of its class is not what the run was trained with"):
        vb.train(vb.compose(encoder=names["Mine"], **OWN), out=out, resume=True, **given)
    with pytest.raises(UsageError, match="is a class that no plugin registers"):
        vb.load(out, classes=[names["Mine"]])


def test_images_in_memory_train_and_are_never_ranked(tmp_path: Path) -> None:
    generator = np.random.RandomState(0)

    def split(count: int) -> vb.Split:
        return vb.Split(torch.from_numpy(generator.randint(0, 4, (count, 1, 4, 4)).astype(np.uint8)), None)

    data = vb.Dataset("Mine Own", vb.ImageShape(1, 4, 4, 4), split(40), split(8), split(9), checksum="")
    run = vb.train(vb.compose(TINY, data=data), steps=2, out=tmp_path / "mine", **QUICK)
    assert run.record.data.spec.startswith("unregistered-mine-own-")
    assert run.record.data.test == 9
    assert vb.load(tmp_path / "mine", data=data).encode()["z"].shape[0] == 9
    assert vb.load(tmp_path / "mine").sample(2).shape == (2, 1, 4, 4)
    with pytest.raises(UsageError, match="is a data set that no plugin registers: give data= to"):
        vb.load(tmp_path / "mine").encode()
    with pytest.raises(UsageError, match="cannot be ranked: no plugin registers its data"):
        leaderboard.submit(tmp_path / "mine" / "record.json", tmp_path)
    assert not any(page.sections for page in board([run.record]).values())


def test_progress_can_be_events(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    vb.train(TINY, steps=2, out=tmp_path / "a", **{**QUICK, "progress": "json"})
    events = [json.loads(line)["event"] for line in capsys.readouterr().err.splitlines()]
    assert "start" in events
    vb.train(TINY, steps=2, out=tmp_path / "b", **QUICK)
    assert capsys.readouterr().err == ""
