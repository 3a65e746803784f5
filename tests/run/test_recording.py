"""A record names the code that ran, and does not where no one code did."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from vaebench import records, registry
from vaebench.run import code
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import prepare
from vaebench.training.loop import Trainer
from vaebench.training.prior import PriorFit

OTHER = "0" * 64
HASHES = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "1", "2"]))


@given(HASHES, st.lists(HASHES | st.none(), max_size=3))
def test_code_is_what_all_that_know_a_part_agree_on(
    now: dict[str, str | None], before: list[dict[str, str | None] | None]
) -> None:
    found = code.agreed(now, *before)
    assert found.keys() == now.keys()
    for slot, hashed in found.items():
        hashes = {now[slot], *(then[slot] for then in before if then and slot in then)}
        assert hashed == (hashes.pop() if len(hashes) == 1 else None)


FLAT = "enc=mlp,enc.hidden=8,latent.dim=2"
CODED = "enc=conv,enc.width=4,latent=vq,latent.codes=4,prior=pixelcnn,prior.width=4,prior.layers=1"
QUICK = ("--set", "samples=1", "--set", "extractor=off", "--set", "checkpoint=1e-9", "--device", "cpu")
FIT = ("--set", "fit.steps=3", "--set", "fit.checkpoint=1e-9")


@contextmanager
def interrupted(fit: bool, at: int) -> Iterator[None]:
    """Ctrl-C comes before a step of training, or of a prior's fit."""
    step = Trainer._step

    def disturbed(trainer: Trainer[Any]) -> object:
        if (isinstance(trainer.model, PriorFit), trainer.state.step) == (fit, at):
            raise KeyboardInterrupt
        return step(trainer)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Trainer, "_step", disturbed)
        yield


@contextmanager
def other_code(slot: str) -> Iterator[None]:
    """The part of a slot is another one meanwhile."""
    place = {"enc": ".encoders.", "prior": ".priors."}[slot]
    hashed = code.source_sha256
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(code, "source_sha256", lambda target: OTHER if place in target else hashed(target))
        yield


def code_in(folder: Path) -> dict[str, str | None]:
    return {slot: part.source_sha256 for slot, part in records.read(folder / "record.json").parts.items()}


@pytest.mark.parametrize(
    ("composition", "fit", "at", "slot", "named"),
    [
        (FLAT, False, 2, "enc", False),
        (FLAT, False, 0, "enc", True),
        (FLAT, False, 2, "prior", False),
        (CODED, False, 2, "enc", False),
        (CODED, False, 2, "prior", True),
        (CODED, True, 0, "enc", False),
        (CODED, True, 0, "prior", True),
        (CODED, True, 2, "enc", False),
        (CODED, True, 2, "prior", False),
    ],
)
def test_only_one_code_that_trained_a_part_is_named(
    composition: str,
    fit: bool,
    at: int,
    slot: str,
    named: bool,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    words = ("run", "--compose", composition, "--steps", 3, *(FIT if composition == CODED else ()), *QUICK)
    again = ("run", "--resume", "--device", "cpu", "--out")
    with interrupted(fit, at):
        for name in ("same", "other"):
            assert call(*words, "--out", tmp_path / name) != 0
    assert call(*again, tmp_path / "same") == 0
    known = code_in(tmp_path / "same")
    assert all(known.values())
    assert "no hash" not in capsys.readouterr().err
    with other_code(slot):
        folder, shown = RunFolder(tmp_path / "other"), registry.load()
        composed = prepare(folder.request(), shown, tmp_path, "cpu")[0].composition
        assert code.with_other_code(folder, composed) != named
        assert call(*again, folder.path) == 0
    assert code_in(tmp_path / "other") == {**known, slot: OTHER if named else None}
    assert (f"{slot}: no hash is recorded" in capsys.readouterr().err) != named


@pytest.mark.parametrize("slot", ["enc", "prior"])
def test_a_refit_names_the_code_of_its_own_prior_and_of_the_rest_as_trained(
    slot: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("run", "--compose", FLAT, "--steps", 1, *QUICK, "--out", tmp_path / "base") == 0
    refit = ("refit", tmp_path / "base", "--prior", "mog", *FIT, *QUICK[:4], "--device", "cpu")
    assert call(*refit, "--out", tmp_path / "same") == 0
    known = code_in(tmp_path / "same")
    assert all(known.values())
    capsys.readouterr()
    with other_code(slot):
        assert call(*refit, "--out", tmp_path / "other") == 0
    named = slot == "prior"
    assert code_in(tmp_path / "other") == {**known, slot: OTHER if named else None}
    assert (f"{slot}: no hash is recorded" in capsys.readouterr().err) != named
