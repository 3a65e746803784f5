"""Pictures on request: a PNG and its path on stdout; when it cannot be, one line."""

import sys
from pathlib import Path

import pytest

from vaebench.cli import main

from .test_cli import QUICK, TINY, Called

HIERARCHY = "enc=resnet,enc.width=4,latent=topdown,latent.z_channels=2,dec=mlp,dec.hidden=8,lik.components=1"


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Called:
    return Called(monkeypatch, capsys)


@pytest.fixture(scope="module", params=[TINY, HIERARCHY], ids=["vectors", "a hierarchy"])
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of a few steps."""
    out = tmp_path_factory.mktemp("runs") / "tiny"
    words = ["run", "--compose", request.param, "--steps", "3", *QUICK, "--set", "extractor=off"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vaebench", *words, "--out", str(out)])
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    return out


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["sample", "--temperature", "0.5", "--count", "5"], "samples-t0.5-s0.png"),
        (["reconstruct", "--count", "13"], "reconstructions.png"),
        (["morph", "--pairs", "2", "--steps", "3"], "morph.png"),
        (["traverse", "--rows", "2", "--steps", "3", "--image", "359"], "traverse.png"),
        (["latents", "--count", "40"], "latents-pca.png"),
        (["latents", "--count", "40", "--method", "tsne"], "latents-tsne.png"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else value,
)
def test_a_picture_is_in_the_runs_folder_or_where_asked(
    trained: Path, call: Called, tmp_path: Path, words: list[str], name: str
) -> None:
    verb, *options = words
    code, out, err = call(verb, trained, *options, "--device", "cpu")
    assert (code, out.strip(), err) == (0, str(trained / name), "")
    png = (trained / name).read_bytes()
    assert png.startswith(b"\x89PNG")
    assert call(verb, trained, *options, "--device", "cpu", "--out", tmp_path / "p.png")[0] == 0
    assert (tmp_path / "p.png").read_bytes() == png, "repeatable"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["codes"], "this model has no codes"),
        (["morph", "--groups", "nowhere"], "there is no group nowhere; groups are "),
        (["morph", "--groups", "z, 0@2,"], "groups are "),
        (["morph", "--groups", ","], "--groups ,: write NAME[,NAME]"),
        (["morph", "--zero", "nowhere"], "there is no group nowhere; groups are "),
        (["morph", "--steps", "1"], "--steps"),
        (["traverse", "--group", "nowhere"], "there is no group nowhere; groups are "),
        (["traverse", "--image", "360"], "there is no test image 360; the last is 359"),
        (["traverse", "--rows", "1000"], "dimensions, fewer than 1000 rows"),
        (["latents", "--method", "umap"], "umap"),
        (["latents", "--count", "2"], "--count"),
        (["latents", "--group", "nowhere"], "there is no group nowhere; groups are "),
    ],
    ids=" ".join,
)
def test_what_cannot_be_drawn_is_one_line(trained: Path, call: Called, words: list[str], said: str) -> None:
    before = sorted(trained.iterdir())
    code, out, err = call(words[0], trained, *words[1:])
    assert (code, out) == (2, "")
    assert said in err
    assert len([line for line in err.splitlines() if line.startswith(("vaebench:", "Error"))]) == 1
    assert "Traceback" not in err
    assert sorted(trained.iterdir()) == before


def test_a_group_that_cannot_be_zeroed_is_one_line(trained: Path, call: Called) -> None:
    from vaebench import registry
    from vaebench.datasets.load import default_root
    from vaebench.run import runner
    from vaebench.run.folder import RunFolder

    _, model = runner.load(RunFolder(trained), registry.load(), default_root(), "cpu")
    code, out, err = call("morph", trained, "--zero", model.latent.groups[0].name)
    assert (code, out) == (2, "")
    assert err.startswith("vaebench: this model cannot leave out a group: ")
    assert err.count("\n") == 1
