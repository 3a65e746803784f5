"""The command line as a person meets it: results on stdout; when wrong, one line and an exit code."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from vaebench import leaderboard, records
from vaebench.cli import main

TINY = "enc=mlp,enc.hidden=16,dec.hidden=16,latent.dim=2,lik.components=2"
QUICK = ["--set", "fid_images=64", "--set", "samples=3", "--device", "cpu"]


class Called:
    """Calls the command line in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.monkeypatch, self.capsys = monkeypatch, capsys

    def __call__(self, *words: object) -> tuple[int, str, str]:
        self.monkeypatch.setattr(sys, "argv", ["vaebench", *map(str, words)])
        with pytest.raises(SystemExit) as left:
            main()
        said = self.capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    return Called(monkeypatch, capsys)


def spawn(*words: str) -> subprocess.Popen[str]:
    """The command line in a process of its own, on one thread as here: bits depend on the number."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", "from vaebench.cli import main; main()", *words]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder, made by the command itself."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    process = spawn("run", "--compose", TINY, "--steps", "30", *QUICK, "--out", str(out))
    _, err = process.communicate()
    assert process.returncode == 0, err
    return out


def test_a_run_leaves_a_record_and_pictures(finished: Path) -> None:
    record = records.read(finished / "record.json")
    assert record.status == "ok"
    assert record.scores is not None
    assert record.scores.likelihood.images == 360
    assert record.scores.likelihood.nll.nats <= record.scores.likelihood.elbo.nats
    assert isinstance(record.scores.fid, records.Fid)
    assert set(record.parts) == {"enc", "latent", "prior", "dec", "lik", "obj"}
    for picture in ("samples.png", "reconstructions.png"):
        assert (finished / picture).read_bytes().startswith(b"\x89PNG")


def test_the_records_command_asks_for_the_same_run(finished: Path, call: Called, tmp_path: Path) -> None:
    import shlex

    first = records.read(finished / "record.json")
    words = shlex.split(first.command)[1:]
    code, out, _ = call(*words, "--device", "cpu", "--out", tmp_path / "again", "--json")
    assert code == 0
    second = records.from_json(out.encode(), "stdout")
    assert second.weights_sha256 == first.weights_sha256
    assert second.scores == first.scores
    assert (second.composition, second.training, second.scoring) == (
        first.composition,
        first.training,
        first.scoring,
    )


def test_a_finished_run_is_not_run_again(finished: Path, call: Called) -> None:
    words = ["run", "--compose", TINY, "--steps", 30, *QUICK, "--out", finished]
    before = (finished / "record.json").read_bytes()
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert "contains this run already, finished; add --resume" in err
    code, out, _ = call(*words, "--resume")
    assert code == 0
    assert "vaebench submit" in out
    assert call("run", "--resume", "--out", finished)[0] == 0
    assert (finished / "record.json").read_bytes() == before
    code, _, err = call("run", "--compose", TINY, "--steps", 31, "--out", finished, "--resume")
    assert code == 2
    assert "contains another run" in err


def test_eval_says_the_records_scores_again(finished: Path, call: Called) -> None:
    code, out, _ = call("eval", finished, "--json", "--device", "cpu")
    assert code == 0
    record = records.read(finished / "record.json")
    assert record.scores is not None
    assert json.loads(out)["likelihood"]["nll"]["nats"] == record.scores.likelihood.nll.nats
    code, out, _ = call("eval", finished, "--set", "samples=1", "--set", "extractor=off", "--json")
    assert json.loads(out)["likelihood"]["samples"] == 1
    assert json.loads(out)["fid"]["outcome"] == "missing"


def test_eval_settles_what_is_left_open_as_run_does(finished: Path, call: Called) -> None:
    code, out, _ = call("eval", finished, "--set", "extractor=none", "--set", "samples=none", "--json")
    assert code == 0
    scored = json.loads(out)
    assert scored["likelihood"]["samples"] == 100
    assert scored["fid"]["extractor"] == "digits"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("samples", "--set samples: write KEY=VALUE"),
        ("sampels=3", "did you mean samples?"),
        ("extractor=mnits", "there is no extractor mnits"),
        ("extractor=mnist", "extractor mnist needs images of shape (1, 28, 28), not (1, 8, 8)"),
    ],
)
def test_what_cannot_be_scored_is_said_before_scoring(
    finished: Path, call: Called, setting: str, said: str
) -> None:
    code, out, err = call("eval", finished, "--set", setting)
    assert (code, out) == (2, "")
    assert said in err
    assert "scoring with" not in err
    assert err.count("\n") == 1


def test_submit_and_leaderboard(finished: Path, call: Called, tmp_path: Path) -> None:
    root = tmp_path / "boards"
    assert call("leaderboard", "--root", root)[0] == 2
    assert call("submit", finished, "--root", root)[0] == 0
    assert call("leaderboard", "--check", "--root", root)[0] == 1
    assert call("leaderboard", "--root", root)[0] == 0
    assert call("leaderboard", "--check", "--root", root)[0] == 0
    assert "enc=mlp" in (root / "digits.md").read_text()
    assert len(list(root.glob("pictures/*-samples.png"))) == 1
    assert (
        f"({next(root.glob('pictures/*-samples.png')).relative_to(root)})" in (root / "digits.md").read_text()
    )


def test_a_part_that_changed_is_named_and_marked(finished: Path, call: Called, tmp_path: Path) -> None:
    old = records.read(finished / "record.json")
    enc = msgspec.structs.replace(old.parts["enc"], source_sha256="0" * 64)
    folder = tmp_path / "boards" / "records"
    folder.mkdir(parents=True)
    changed = msgspec.structs.replace(old, parts={**old.parts, "enc": enc})
    (folder / leaderboard.file_name(changed)).write_bytes(records.to_json(changed))
    for words, codes in ((["--check"], 1), ([], 0), (["--check"], 0)):
        code, _, err = call("leaderboard", *words, "--root", folder.parent)
        assert code == codes
        assert f"stale: digits: {old.composition}, seed {old.seed}: enc=mlp of vaebench\n" in err
    assert "stale" in (folder.parent / "digits.md").read_text().split("### Commands")[0]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["run"], "give --compose SPEC, --recipe FILE or --from RUN"),
        (["run", "--compose", "encc=mlp"], "did you mean enc?"),
        (
            ["run", "--compose", "enc=mpl"],
            "(did you mean mlp?)",
        ),
        (
            ["run", "--compose", "enc=mlp,enc.hiden=3"],
            "enc.hiden: mlp has no such parameter; parameters are hidden, layers",
        ),
        (["run", "--compose", "enc=mlp,enc.hidden=x"], "enc.hidden=x: an integer >= 1 is expected"),
        (["run", "--compose", "enc=mlp,enc.hidden=0"], "enc.hidden=0: an integer >= 1 is expected"),
        (
            ["run", "--compose", "enc=mlp,latent=topdown"],
            "latent=topdown does not fit enc=mlp: it needs pyramid;",
        ),
        (["run", "--compose", "lik=bernoulli"], "lik=bernoulli needs binary data; these are grey"),
        (["run", "--compose", "latent.blocks=8q1"], "'8q1' is neither"),
        (["run", "--compose", "enc=mlp", "--data", "digit"], "did you mean digits?"),
        (["run", "--compose", "enc=mlp", "--data", "folder:/nowhere"], "/nowhere"),
        (["run", "--compose", "enc=mlp", "--data", "digits:x"], "digits has no path, so no colon"),
        (["run", "--compose", "enc=mlp", "--set", "lrr=1"], "unknown setting lrr"),
        (["run", "--compose", "enc=mlp", "--set", "lr=-1"], "lr=-1: a number > 0, or none is expected"),
        (["run", "--compose", "enc=mlp", "--set", "lr"], "--set lr: write KEY=VALUE"),
        (["run", "--compose", "enc=mlp", "--steps", "5", "--epochs", "1"], "steps or epochs, not both"),
        (["run", "--compose", "enc=mlp", "--set", "extractor=mnits"], "did you mean mnist?"),
        (["run", "--recipe", "/nowhere.toml"], "/nowhere.toml cannot be read"),
        (["show", "topdown"], "write KIND=NAME, as in latent=topdown"),
        (["show", "latent=topdwn"], "did you mean topdown?"),
        (["list", "encodr"], "did you mean encoder?"),
        (["eval", "/nowhere"], "/nowhere is not a run folder"),
        (["sample", "/nowhere"], "/nowhere is not a run folder"),
        (["submit", "/nowhere"], "/nowhere is not a run folder"),
        (["run", "--compose", "enc=mlp", "--steps", "0"], "--steps"),
        (["frobnicate"], "frobnicate"),
    ],
)
def test_wrong_usage_is_one_line_and_exit_2(
    call: Called, words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, err = call(*words)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err
    assert len([line for line in err.splitlines() if line.startswith(("vaebench:", "Error"))]) == 1
    assert not list(tmp_path.iterdir()), "nothing is left behind"


def test_a_recipe_is_the_same_run(call: Called, tmp_path: Path) -> None:
    recipe = tmp_path / "r.toml"
    recipe.write_text(
        'data = "digits"\nseed = 4\n[compose]\nenc = { name = "mlp", hidden = 16 }\ndec = { hidden = 16 }\n'
        "latent = { dim = 2 }\nlik = { components = 2 }\n"
        "[settings]\nsteps = 3\nsamples = 2\nfid_images = 40\n"
    )
    words = [
        "--compose",
        TINY,
        "--seed",
        4,
        "--set",
        "steps=3",
        "--set",
        "samples=2",
        "--set",
        "fid_images=40",
    ]
    first = call("run", "--recipe", recipe, "--out", tmp_path / "a", "--json")
    second = call("run", *words, "--out", tmp_path / "b", "--json")
    assert (first[0], second[0]) == (0, 0)
    assert json.loads(first[1])["weights_sha256"] == json.loads(second[1])["weights_sha256"]
    assert json.loads(first[1])["command"] == json.loads(second[1])["command"]
    for text, said in [
        ("x = 1", "unknown key x; a recipe has"),
        ("data = 'digits'", "needs a [compose] table"),
        ("[", "is not valid TOML"),
    ]:
        recipe.write_text(text)
        code, _, err = call("run", "--recipe", recipe)
        assert code == 2
        assert said in err


def test_divergence_is_exit_3_with_a_record_that_says_so(call: Called, tmp_path: Path) -> None:
    words = ["run", "--compose", TINY, "--steps", 50, "--set", "skip=1e-9", "--out", tmp_path / "d"]
    code, _, err = call(*words)
    assert code == 3
    assert "training diverged at step 10" in err
    record = records.read(tmp_path / "d" / "record.json")
    assert (record.status, record.scores, record.budget.skipped) == ("diverged", None, 10)


def test_damaged_weights_are_exit_5(finished: Path, call: Called, tmp_path: Path) -> None:
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(finished, copy)
    weights = copy / "weights" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    code, out, err = call("eval", copy)
    assert (code, out) == (5, "")
    assert "model.safetensors has changed since it was written" in err
    (copy / "run.json").write_text("{}")
    assert call("sample", copy)[0] == 5


def test_show_tells_parameters_as_they_are(call: Called) -> None:
    code, out, _ = call("show", "latent=topdown", "--json")
    assert code == 0
    told = json.loads(out)
    assert told["package"].startswith("vaebench ")
    assert "Child 2021" in told["paper"]
    assert {"conv", "resnet"} <= set(told["composes_with"]["enc"])
    assert "mlp" not in told["composes_with"]["enc"]
    by_name = {p["name"]: p for p in told["parameters"]}
    assert by_name["z_channels"]["default"] == "8"
    assert by_name["z_channels"]["accepts"] == "an integer >= 1"
    assert "layer string" in call("show", "latent=topdown")[1]


@pytest.mark.parametrize(
    "words",
    [
        ["--help"],
        ["list"],
        ["list", "prior", "--json"],
        ["list", "tracks"],
        ["bench", "--help"],
        ["--version"],
    ],
)
def test_what_is_quick_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys\nfrom vaebench.cli import main\n"
        "try:\n    main()\nexcept SystemExit as e:\n    assert not e.code\n"
        "heavy = {'torch', 'pandas', 'sklearn', 'matplotlib', 'torchvision', 'rich'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    done = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_wrong_names_are_said_before_torch_is_imported() -> None:
    for words in (["run", "--compose", "enc=mpl"], ["run", "--compose", "enc=mlp", "--set", "x=1"]):
        code = (
            "import sys\nfrom vaebench.cli import main\n"
            "try:\n    main()\nexcept SystemExit as e:\n    assert e.code == 2\n"
            "assert 'torch' not in sys.modules"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_a_second_process_is_refused_at_once_and_a_kill_frees_the_folder(tmp_path: Path) -> None:
    words = ["run", "--compose", TINY, "--steps", "100000", *QUICK, "--out", str(tmp_path / "r")]
    first = spawn(*words)
    while not (tmp_path / "r" / "run.json").exists():
        assert first.poll() is None
        time.sleep(0.05)
    second = spawn(*words, "--resume")
    _, err = second.communicate(timeout=60)
    assert second.returncode == 4
    assert "is in use by another process" in err
    first.send_signal(signal.SIGKILL)
    first.communicate()
    third = spawn("run", "--compose", TINY, "--steps", "100000", "--out", str(tmp_path / "r"))
    _, err = third.communicate(timeout=60)
    assert third.returncode == 2, "free again: refused for what it holds, not for being in use"


def test_killed_at_any_moment_and_resumed_the_weights_are_the_same(tmp_path: Path) -> None:
    settings = ["--steps", "400", *QUICK, "--set", "checkpoint=0.05", "--set", "ema=0.9"]
    words = ["run", "--compose", TINY, *settings, "--out"]
    whole = spawn(*words, str(tmp_path / "whole"))
    whole.communicate(timeout=120)
    killed = 0
    for attempt in range(30):
        part = spawn(*words, str(tmp_path / "part"), "--resume")
        while attempt < 3 and part.poll() is None:
            kept = (tmp_path / "part" / "checkpoints").glob("[0-9]*")
            if any(int(p.name) >= 100 * (attempt + 1) for p in kept):
                part.send_signal(signal.SIGKILL)
                killed += 1
                break
        part.communicate(timeout=120)
        if part.returncode == 0:
            break
    assert killed == 3
    hashes = {records.read(tmp_path / name / "record.json").weights_sha256 for name in ("whole", "part")}
    assert len(hashes) == 1
