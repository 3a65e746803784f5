"""Small models and runs for the tests of the Python interface."""

from pathlib import Path

import pytest

import vaebench as vb

TINY = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik=categorical"
QUICK = {"samples": 1, "extractor": "off", "progress": "off", "device": "cpu"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs without a folder of their own go below a temporary one."""
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished run."""
    out = tmp_path_factory.mktemp("runs") / "finished"
    vb.train(TINY, steps=3, out=out, **QUICK)
    return out
