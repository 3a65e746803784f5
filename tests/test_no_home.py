"""Who has no home folder, as in a container under a number without an account, needs none."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from tests.evaluation.test_fid import images, score
from vaebench import records
from vaebench.evaluation import fid
from vaebench.evaluation.extractors import ExtractorUnavailableError, inception
from vaebench.records import Missing
from vaebench.storage.caches import NOWHERE, folder

HOMELESS = """
import pwd

def nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = nobody
from vaebench.cli import main
main()
"""
FLAT = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik=categorical"
RUN = ("run", "--compose", FLAT, "--steps", "1", "--set", "samples=1", "--set", "fid_images=8")


def homeless(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The command line for a user without HOME and without an account."""
    command = [sys.executable, "-c", HOMELESS, *words]
    environment = {"PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1", "TMPDIR": str(place)}
    return subprocess.run(
        command, cwd=place, env=environment, capture_output=True, text=True, check=False, timeout=300
    )


def test_runs_scores_and_pictures_need_no_home(tmp_path: Path) -> None:
    for words in [(*RUN, "--out", "a run"), ("eval", "a run"), ("sample", "a run"), ("latents", "a run")]:
        ended = homeless(tmp_path, *words)
        assert ended.returncode == 0, ended.stderr
    record = records.read(tmp_path / "a run" / "record.json")
    assert record.scores is not None
    assert not isinstance(record.scores.fid, Missing)
    assert not (tmp_path / "~").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            (*RUN, "--data", "mnist"),
            "data set mnist: there is no home folder to keep data in; name a folder with",
        ),
        (
            ("bench", "mnist-binary"),
            "there is no home folder to keep data in; name a folder with --data-root",
        ),
    ],
    ids=["run", "bench"],
)
def test_data_that_need_a_home_ask_for_a_folder(words: tuple[str, ...], said: str, tmp_path: Path) -> None:
    ended = homeless(tmp_path, *words)
    assert ended.returncode in (1, 2)
    assert said in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not (tmp_path / "~").exists()


@pytest.fixture
def _homeless(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(number: int) -> None:
        raise KeyError(number)

    for name in ("HOME", "VAEBENCH_CACHE", "VAEBENCH_DATA", "TORCH_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("pwd.getpwuid", nobody)


@pytest.mark.usefixtures("_homeless")
def test_a_cache_is_done_without_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(fid, "WORTH_CACHING", 0.0)
    monkeypatch.chdir(tmp_path)
    assert folder("VAEBENCH_CACHE") == NOWHERE
    assert score(images(8, 3, 0), images(20, 3, 1)) == score(images(8, 3, 0), images(20, 3, 1))
    assert "statistics for FID could not be cached" in caplog.text
    assert "VAEBENCH_CACHE" in caplog.text
    monkeypatch.setenv("VAEBENCH_CACHE", str(tmp_path / "cache"))
    assert folder("VAEBENCH_CACHE") == tmp_path / "cache"


@pytest.mark.usefixtures("_homeless")
def test_weights_are_fetched_and_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import hashlib
    import io

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inception, "SHA256", hashlib.sha256(b"weights").hexdigest())
    monkeypatch.setattr(inception, "urlopen", lambda *_, **__: io.BytesIO(b"weights"))
    assert inception._fetched() == b"weights"
    assert "weights of extractor inception could not be cached" in caplog.text
    monkeypatch.setattr(inception, "urlopen", _refused)
    with pytest.raises(
        ExtractorUnavailableError, match="name the file with --set extractor_weights"
    ) as caught:
        inception.inception(None, torch.device("cpu"))
    assert str(NOWHERE) not in str(caught.value)
    assert not list(tmp_path.iterdir())


def _refused(*_: object, **__: object) -> None:
    raise OSError("no network")
