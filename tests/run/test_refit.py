"""Priors fitted after the rest: two-part codes, resumed bit for bit, and swapped on a frozen rest."""

import math
from pathlib import Path

import msgspec
import pytest

from tests.test_cli import Called, call  # noqa: F401 (a fixture)
from tests.training.test_loop import Silent
from vaebench import records, registry
from vaebench.composing.spec import parse
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.requests.recipes import Recipe
from vaebench.requests.request import Base
from vaebench.run import start
from vaebench.run.folder import RunFolder
from vaebench.run.perform import Place, perform
from vaebench.run.record import command
from vaebench.training import checkpoint

CODES = (
    "enc=conv,enc.width=4,latent=ema-vq,latent.codes=8,latent.dim=3,prior=pixelcnn,prior.width=4,"
    "prior.layers=2,dec=conv,dec.width=4,lik=categorical"
)
QUICK = {
    "steps": 5,
    "fit.steps": 12,
    "checkpoint": 1e-6,
    "fit.checkpoint": 1e-6,
    "fid_images": 40,
    "extractor": "off",
}
WORDS = [word for key, value in QUICK.items() for word in ("--set", f"{key}={value}")]
KNOWN = registry.load()


def run(folder: Path, compose: str = CODES, stop_at: int | None = None) -> records.Record:
    request = Recipe(compose=parse(compose), settings=QUICK).request()
    return perform(request, KNOWN, Place(Path("."), "cpu", folder, resume=True), Silent(stop_at))[1]


def prior_alone(folder: Path, *, other: Path) -> bool:
    """Whether two runs' weights differ, and only in the prior's."""
    a, b = (checkpoint.load(f / "weights").tensors["model"] for f in (folder, other))
    rest = [{k: t for k, t in w.items() if not k.startswith("prior.")} for w in (a, b)]
    same = rest[0].keys() == rest[1].keys() and all(rest[0][k].equal(rest[1][k]) for k in rest[0])
    return same and checkpoint.weights_sha256(a) != checkpoint.weights_sha256(b)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refit") / "codes"
    run(folder)
    return folder


def test_the_record_splits_the_two_part_code_and_says_what_the_fit_spent(finished: Path) -> None:
    record = records.read(finished / "record.json")
    assert record.scores is not None
    found = record.scores.likelihood
    assert found.bound == "two-part"
    assert math.isclose(found.nll.nats, found.rate.nats + found.distortion.nats, rel_tol=1e-9)
    assert record.fit is not None
    assert (record.fit.steps, record.fit.settings.steps) == (12, 12)
    assert record.budget.steps == 5
    assert "--set fit.steps=12" in record.command
    assert (finished / "samples.png").stat().st_size > 0


@pytest.mark.parametrize("compose", [CODES, "enc=mlp,enc.hidden=8,latent=gaussian,lik=categorical"])
def test_a_run_builds_its_model_once(compose: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    built: list[object] = []
    wire = Vae.__init__

    def counted(model: Vae, *given: object, **named: object) -> None:
        built.append(model)
        wire(model, *given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(Vae, "__init__", counted)
    settings = {k: v for k, v in QUICK.items() if compose == CODES or not k.startswith("fit.")}
    request = Recipe(compose=parse(compose), settings=settings).request()
    perform(request, KNOWN, Place(Path("."), "cpu", tmp_path / "run"), Silent(None))
    assert len(built) == 1


@pytest.mark.parametrize("stop_at", [3, 9])
def test_a_run_stopped_in_either_stage_goes_on_to_the_same_weights(
    finished: Path, tmp_path: Path, stop_at: int
) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "again", stop_at=stop_at)
    record = run(tmp_path / "again")
    assert record.weights_sha256 == records.read(finished / "record.json").weights_sha256


def test_a_refit_swaps_the_prior_alone_and_makes_a_run_of_its_own(
    call: Called,  # noqa: F811
    finished: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "uniform"
    code, _, err = call("refit", finished, "--prior", "uniform", "--out", out)
    assert code == 0, err
    base, swapped = (records.read(f / "record.json") for f in (finished, out))
    assert prior_alone(out, other=finished)
    assert base.scores
    assert swapped.scores
    assert swapped.base is not None
    assert (swapped.base.weights_sha256, swapped.base.frozen) == (base.weights_sha256, True)
    assert swapped.scores.likelihood.distortion == base.scores.likelihood.distortion
    assert swapped.scores.likelihood.rate.nats == pytest.approx(4 * 4 * math.log(8), rel=1e-6)
    assert swapped.budget.images == base.budget.images
    assert "prior=uniform" in swapped.composition
    assert swapped.command.startswith(base.command)
    assert "vaebench refit base --prior uniform" in swapped.command
    code, shown, _ = call("run", "--resume", "--out", out)
    assert code == 0
    assert "everything but the prior is frozen at the weights" in shown


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--prior", "pixelcn"], "did you mean pixelcnn?"),
        (["--prior", "normal"], "prior=normal does not fit latent=ema-vq"),
        (["--prior", "pixelcnn,dec=mlp"], "refit changes only the prior"),
        (
            ["--prior", "pixelcnn", "--set", "lr=1"],
            "lr: a refit trains only the prior; write its setting as fit.lr",
        ),
        (["--prior", "pixelcnn", "--set", "fit.lr=-1"], "fit.lr=-1: a number > 0"),
        (["--prior", "pixelcnn,prior.classes=3"], "classes=3, but the data set has 10 classes"),
    ],
)
def test_a_refit_that_cannot_be_is_one_line(
    call: Called,  # noqa: F811
    finished: Path,
    tmp_path: Path,
    words: list[str],
    said: str,
) -> None:
    code, out, err = call("refit", finished, *words, "--out", tmp_path / "refit")
    assert (code, out) == (2, "")
    assert said in err
    assert len([line for line in err.splitlines() if line.startswith("vaebench:")]) == 1
    assert not (tmp_path / "refit" / "run.json").exists()


def test_an_unfinished_run_cannot_be_refitted(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is not a run folder"):
        start.base_of(RunFolder(tmp_path), frozen=True)


def test_settings_of_a_fit_need_a_prior_that_is_fitted_afterwards(
    call: Called,  # noqa: F811
    tmp_path: Path,
) -> None:
    words = ["run", "--compose", "enc=mlp", "--steps", "2", "--set", "fit.lr=1", "--out", tmp_path / "x"]
    code, _, err = call(*words)
    assert code == 2
    assert "this prior trains with the rest" in err


def test_no_latents_are_scored_exactly(tmp_path: Path) -> None:
    settings = {"steps": 3, "fid_images": 40, "extractor": "off"}
    request = Recipe(compose=parse("latent=none,dec.width=4,dec.layers=2"), settings=settings).request()
    _, record = perform(request, KNOWN, Place(Path("."), "cpu", tmp_path / "none"), Silent())
    assert record.scores is not None
    found = record.scores.likelihood
    assert found.bound == "exact"
    assert found.nll == found.elbo == found.distortion
    assert found.rate.nats == 0


def test_classes_are_sampled_one_by_one(
    call: Called,  # noqa: F811
    finished: Path,
    tmp_path: Path,
) -> None:
    out = tmp_path / "classes"
    code, _, err = call("refit", finished, "--prior", "pixelcnn,prior.classes=10", *WORDS[2:4], "--out", out)
    assert code == 0, err
    code, path, _ = call("sample", out, "--label", 3, "--count", 4)
    assert code == 0
    assert Path(path.strip()).name == "samples-class3-t1-s0.png"
    assert call("sample", out, "--label", 10)[2] == "vaebench: class 10: classes are 0 to 9\n"
    assert "the prior of this run has no classes" in call("sample", finished, "--label", 0)[2]


def test_the_command_of_a_chain_of_runs_names_a_folder_for_each(finished: Path) -> None:
    first = start.base_of(RunFolder(finished), frozen=True)
    request = RunFolder(finished).request()
    second = msgspec.structs.replace(request, base=first)
    third = msgspec.structs.replace(
        request, base=Base(weights_sha256="0" * 64, command=command(second), frozen=False)
    )
    steps = command(third).split(" && ")
    assert [" --out base" in steps[0], " --out base1" in steps[1]] == [True, True]
    assert [" refit base " in steps[1], " --from base1 " in steps[2]] == [True, True]
