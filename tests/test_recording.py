"""A record names the code that ran, and does not where no one code did."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from vaebench import recording, records
from vaebench.compose import Composition
from vaebench.training.loop import Trainer

HASHES = st.dictionaries(st.sampled_from("abc"), st.sampled_from([None, "1", "2"]))


@given(HASHES, st.lists(HASHES | st.none(), max_size=3))
def test_code_is_what_all_that_know_a_part_agree_on(
    now: dict[str, str | None], before: list[dict[str, str | None] | None]
) -> None:
    found = recording.agreed(now, *before)
    assert found.keys() == now.keys()
    for slot, code in found.items():
        said = {now[slot], *(then[slot] for then in before if then and slot in then)}
        assert code == (said.pop() if len(said) == 1 else None)


@pytest.mark.parametrize(
    "composition", ["enc=mlp,latent.dim=2", "enc=conv,enc.width=4,latent=vq,latent.codes=4,prior=pixelcnn"]
)
def test_a_run_that_goes_on_with_other_code_names_none(
    composition: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted(trainer: Trainer) -> object:
        if trainer.state.step == 2:
            raise KeyboardInterrupt
        return step(trainer)

    def of_other_code(composition: Composition) -> recording.Code:
        return {**code_of(composition), "enc": "0" * 64}

    step, code_of = Trainer._step, recording.code_of
    quick = ("--set", "samples=1", "--set", "extractor=off", "--set", "checkpoint=1e-9", "--device", "cpu")
    fit = ("--set", "fit.steps=3") if "pixelcnn" in composition else ()
    words = ("run", "--compose", composition, "--steps", 3, *fit, *quick, "--out")
    with monkeypatch.context() as patched:
        patched.setattr(Trainer, "_step", interrupted)
        for name in ("same", "other"):
            assert call(*words, tmp_path / name) != 0
    same = ("run", "--resume", "--device", "cpu", "--out")
    assert call(*same, tmp_path / "same") == 0
    assert "has changed" not in capsys.readouterr().err
    monkeypatch.setattr(recording, "code_of", of_other_code)
    assert call(*same, tmp_path / "other") == 0
    assert "the code of enc has changed" in capsys.readouterr().err
    known, mixed = (records.read(tmp_path / name / "record.json").parts for name in ("same", "other"))
    assert mixed.pop("enc").source_sha256 is None
    assert all(part.source_sha256 for part in known.values())
    assert mixed == {slot: part for slot, part in known.items() if slot != "enc"}
