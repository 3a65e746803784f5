"""No work is lost to a score or a picture that cannot be made: the record is written, and says why."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor

from tests.bench.tiny import KNOWN, TRACK, planned
from tests.command import call
from vaebench import records
from vaebench.bench.estimate import estimate
from vaebench.evaluation import fid, scoring
from vaebench.evaluation.attempts import attempted
from vaebench.evaluation.extractors.small import SmallExtractor
from vaebench.pictures import of_run
from vaebench.records import Fid, Missing, Record

FLAT = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik=categorical"
FEW = ("--set", "samples=1", "--set", "fid_images=6", "--set", "follow=3", "--set", "follow_images=4")


class Listening:
    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, line: str) -> None:
        self.lines.append(line)

    def count(self, what: str, done: int, total: int) -> None:
        pass


class UnspeakableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("not even this")


ERRORS = st.one_of(
    st.tuples(
        st.sampled_from([ValueError, AssertionError, MemoryError, SystemExit, OSError, RuntimeError]),
        st.text(st.characters()),
    ).map(lambda pair: pair[0](pair[1])),
    st.just(UnspeakableError()),
)


@given(ERRORS)
def test_whatever_is_raised_becomes_one_line_that_a_record_can_hold(error: BaseException) -> None:
    def failing() -> int:
        raise error

    watcher = Listening()
    found = attempted("FID", failing, watcher)
    assert isinstance(found, Missing)
    assert type(error).__name__ in found.why
    assert found.why.isprintable() or "\n" not in found.why
    assert watcher.lines == [f"FID missing: {found.why}"]
    found.why.encode()
    assert attempted("FID", lambda: 7, watcher) == 7


def test_an_interruption_is_no_missing_score() -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        attempted("FID", interrupted, Listening())


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    assert call("run", "--compose", FLAT, "--steps", 2, *FEW, "--device", "cpu", "--out", folder) == 0
    return folder


def fails(*_: Any, **__: Any) -> Any:
    raise RuntimeError("it cannot\nbe made")


def says_nan(extractor: SmallExtractor, images: Tensor, levels: int) -> Tensor:
    return torch.full((len(images), extractor.width), torch.nan)


def wide(extractor: SmallExtractor, images: Tensor, levels: int) -> Tensor:
    return images.flatten(1).double()


def ends_the_process(*_: Any) -> Any:
    raise SystemExit(3)


Patch = Callable[[pytest.MonkeyPatch], None]
FID: dict[str, Patch] = {
    "extractor raises": lambda m: m.setattr(SmallExtractor, "__call__", fails),
    "extractor ends the process": lambda m: m.setattr(SmallExtractor, "__call__", ends_the_process),
    "extractor says NaN": lambda m: m.setattr(SmallExtractor, "__call__", says_nan),
    "extractor says another width": lambda m: m.setattr(SmallExtractor, "__call__", wide),
    "extractor cannot be made": lambda m: m.setattr(SmallExtractor, "__init__", fails),
    "no square root": lambda m: m.setattr(fid, "frechet", fails),
    "KID fails": lambda m: m.setattr(fid, "kid", lambda *_: (torch.nan, torch.nan)),
    "an unreadable record": lambda m: m.setattr(fid, "kid", lambda *_: ("0.1", 0.1)),
}


def scored_again(
    trained: Path, place: Path, monkeypatch: pytest.MonkeyPatch, fault: Patch, capsys: Any
) -> tuple[Record, Record, str]:
    """The record as it was, that of the same weights scored under a fault, and what was said."""
    shutil.copytree(trained, place)
    for name in ("record.json", "samples.png", "reconstructions.png"):
        (place / name).unlink()
    capsys.readouterr()
    with monkeypatch.context() as patched:
        fault(patched)
        assert call("run", "--resume", "--out", place, "--device", "cpu") == 0
    said = capsys.readouterr()
    return records.read(trained / "record.json"), records.read(place / "record.json"), said.err + said.out


@pytest.mark.parametrize("fault", FID.values(), ids=FID.keys())
def test_a_failing_extractor_costs_fid_alone(
    fault: Patch, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    whole, found, said = scored_again(trained, tmp_path / "run", monkeypatch, fault, capsys)
    assert whole.scores is not None
    assert found.scores is not None
    assert isinstance(whole.scores.fid, Fid)
    assert isinstance(found.scores.fid, Missing)
    assert f"FID missing: {found.scores.fid.why}" in said
    assert found.scores.likelihood == whole.scores.likelihood
    assert found.pictures == whole.pictures
    assert whole.pictures is not None


PARTS: dict[str, tuple[Patch, str]] = {
    "samples": (
        lambda m: m.setattr(scoring, "generate", fails),
        "generated images missing: RuntimeError: it cannot be",
    ),
    "reconstructions": (
        lambda m: m.setattr(of_run, "reconstructed", fails),
        "the picture of reconstructions missing: RuntimeError: it cannot be made",
    ),
    "a grid": (
        lambda m: m.setattr(of_run, "grid_png", fails),
        "the picture of samples missing: RuntimeError",
    ),
    "curve": (lambda m: m.setattr(scoring, "tightness", fails), "curve over K missing: RuntimeError"),
}


@pytest.mark.parametrize(("fault", "words"), PARTS.values(), ids=PARTS.keys())
def test_what_else_cannot_be_made_is_missing_alone(
    fault: Patch,
    words: str,
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    whole, found, said = scored_again(trained, tmp_path / "run", monkeypatch, fault, capsys)
    assert words in said
    assert whole.scores is not None
    assert found.scores is not None
    assert found.scores.likelihood.nll == whole.scores.likelihood.nll
    assert whole.scores.likelihood.tightness is not None
    assert (found.scores.likelihood.tightness is None) == ("curve" in words)
    assert isinstance(found.scores.fid, Missing) == ("generated" in words)
    assert (found.pictures is None) != ("curve" in words)


def test_the_time_of_a_run_whose_extractor_fails_can_be_foretold(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(SmallExtractor, "__call__", ends_the_process)
    (run, _) = planned(tmp_path, TRACK.replace('extractor = "off"', 'extractor = "digits"')).runs
    assert run.request.scoring.extractor == "digits"
    assert estimate(run, KNOWN, 1.0, 0.01).total > 1.0


def test_three_photos_are_trained_on_scored_and_recorded(tmp_path: Path, capsys: Any) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        Image.new("L", (8, 8), 40 * number).save(photos / f"{number}.png")
    words = ("--data", f"folder:{photos},size=8,grey=true", "--steps", 1, "--set", "extractor=digits")
    assert call("run", "--compose", FLAT, *words, *FEW[:4], "--device", "cpu", "--out", tmp_path / "run") == 0
    record = records.read(tmp_path / "run" / "record.json")
    assert record.scores is not None
    assert isinstance(record.scores.fid, Missing)
    assert "needs at least 4 reference images" in record.scores.fid.why
