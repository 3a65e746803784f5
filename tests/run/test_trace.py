"""Nothing goes on with a run, or opens one, when its data have changed, unless that is asked for and told."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.command import call
from vaebench import records
from vaebench.run import trace
from vaebench.run.folder import RunFolder
from vaebench.training.checkpoint import Store

TINY = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,dec=mlp,dec.hidden=8,lik=categorical"
CODED = "enc=conv,enc.width=4,latent=ema-vq,latent.codes=4,latent.dim=2,prior=uniform,dec=conv,dec.width=4"
QUICK = ("--set", "extractor=off", "--set", "samples=1", "--set", "checkpoint=1e-9", "--device", "cpu")
REFUSED = 5


def photograph(folder: Path, name: str, seed: int) -> None:
    pixels = np.random.default_rng(seed).integers(0, 256, (8, 8), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / f"{name}.png")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(60):
        photograph(folder, f"photo-{number:02}", number)
    return folder


def train(photos: Path, out: Path, compose: str = TINY) -> None:
    words = ("run", "--compose", compose, "--data", f"folder:{photos},size=8", "--steps", 2, *QUICK)
    assert call(*words, "--out", out) == 0


VERBS = (
    ("eval",),
    ("sample", "--count", 4),
    ("reconstruct", "--count", 4),
    ("morph", "--pairs", 1, "--steps", 2),
    ("traverse", "--steps", 2, "--rows", 1),
    ("latents", "--count", 4),
    ("encode",),
    ("refit", "--prior", "mog", "--set", "fit.steps=1"),
)


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: str(verb[0]))
def test_no_verb_opens_a_run_with_other_data(
    verb: tuple[object, ...], photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    train(photos, tmp_path / "run")
    before = records.read(tmp_path / "run" / "record.json").data.checksum
    out = ("--out", tmp_path / "out") if verb[0] != "eval" else ()
    words = (verb[0], tmp_path / "run", *verb[1:], *out, "--device", "cpu")
    assert call(*words) == 0
    photograph(photos, "a-new-one", 99)
    capsys.readouterr()
    other = ("--out", tmp_path / "other") if out else ()
    words = (verb[0], tmp_path / "run", *verb[1:], *other, "--device", "cpu")
    assert call(*words) == REFUSED
    message = capsys.readouterr().err.splitlines()[-1]
    now = trace.of_dataset(_loaded(photos)).checksum
    assert before[:16] in message
    assert now[:16] in message
    assert "its files have changed" in message
    assert "--other-data" in message
    assert call(*words, "--other-data") == 0


def _loaded(photos: Path):  # type: ignore[no-untyped-def]
    from vaebench import registry
    from vaebench.run.prepare import load

    return load(f"folder:{photos},size=8", registry.load(), photos).dataset


def test_codes_are_not_counted_on_other_data(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run", CODED)
    photograph(photos, "a-new-one", 99)
    assert call("codes", tmp_path / "run", "--device", "cpu") == REFUSED


def interrupted(photos: Path, whole: Path, cut: Path) -> RunFolder:
    """A run that was stopped after its first step, made from one that was not."""
    train(photos, whole)
    folder = RunFolder(cut)
    with folder.locked():
        folder.write_request(RunFolder(whole).request())
        trace.write(folder, trace.of_folder(RunFolder(whole)) or pytest.fail("it has no trace"))
        checkpoint, _ = Store(whole / "checkpoints").latest()
        assert checkpoint is not None
        first = Store(whole / "checkpoints")._folders()[0]
        from vaebench.training.checkpoint import load

        Store(folder.checkpoints).save(1, load(first))
    return folder


def test_a_run_goes_on_with_other_data_only_where_that_is_asked_for_and_told(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = interrupted(photos, tmp_path / "whole", tmp_path / "cut")
    before = trace.of_folder(folder)
    assert before is not None
    photograph(photos, "a-new-one", 99)
    again = ("run", "--resume", "--out", folder.path, "--device", "cpu")
    assert call(*again) == REFUSED
    assert not folder.record.exists()
    assert call(*again, "--other-data") == 0
    record = records.read(folder.record)
    assert record.data.earlier == (before.checksum,)
    assert record.data.checksum != before.checksum


@pytest.mark.parametrize("forget", ["data.json", "record.json"])
def test_folders_of_the_first_version_are_known_by_their_record_or_checkpoints(
    forget: str, photos: Path, tmp_path: Path
) -> None:
    train(photos, tmp_path / "run")
    (tmp_path / "run" / "data.json").unlink()
    if forget == "record.json":
        (tmp_path / "run" / "record.json").unlink()
    photograph(photos, "a-new-one", 99)
    words = ("run", "--resume", "--out") if forget == "record.json" else ("eval",)
    assert call(*words, tmp_path / "run", "--device", "cpu") == REFUSED


def test_checkpoints_of_other_data_are_not_taken_up(photos: Path, tmp_path: Path) -> None:
    folder = interrupted(photos, tmp_path / "whole", tmp_path / "cut")
    photograph(photos, "a-new-one", 99)
    folder.data.unlink()
    trace.write(folder, trace.of_dataset(_loaded(photos)))
    assert call("run", "--resume", "--out", folder.path, "--device", "cpu") == REFUSED


def test_a_run_from_another_tells_on_which_data_that_was_trained(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "base")
    before = records.read(tmp_path / "base" / "record.json").data.checksum
    photograph(photos, "a-new-one", 99)
    words = ("run", "--from", tmp_path / "base", "--steps", 1, *QUICK, "--out", tmp_path / "tuned")
    assert call(*words) == 0
    record = records.read(tmp_path / "tuned" / "record.json")
    assert record.base is not None
    assert record.base.data_checksum == before != record.data.checksum
    assert record.data.earlier == ()


def test_the_folder_and_its_request_do_not_depend_on_the_data(photos: Path, tmp_path: Path) -> None:
    train(photos, tmp_path / "run")
    request = RunFolder(tmp_path / "run").request()
    photograph(photos, "a-new-one", 99)
    train(photos, tmp_path / "other")
    assert RunFolder(tmp_path / "other").request().folder_name == request.folder_name


def test_images_that_moved_to_other_classes_are_other_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos = tmp_path / "photos"
    for number in range(60):
        kind = photos / ("cat", "dog")[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        photograph(kind, f"photo-{number:02}", number)
    train(photos, tmp_path / "run")
    words = ("eval", tmp_path / "run", "--device", "cpu")
    (photos / "cat").rename(photos / "a cat")  # the order of the classes stays
    (photos / "a cat" / "photo-00.png").rename(photos / "a cat" / "other.png")
    assert call(*words) == 0
    (photos / "a cat").rename(photos / "zebra")
    capsys.readouterr()
    assert call(*words) == REFUSED
    assert "other classes" in capsys.readouterr().err
    assert call(*words, "--other-data") == 0
