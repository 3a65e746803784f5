"""Where a model spends its bits: the groups by resolution, their picture, and the command that makes it."""

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaebench.cli import main
from vaebench.pictures.rates import by_side, rates_png

RATES = st.dictionaries(
    st.builds("{}@{}".format, st.integers(0, 99), st.sampled_from([1, 4, 8])) | st.just("z"),
    st.floats(0, 1e4),
)


@given(RATES)
def test_every_group_is_at_its_resolution_once_and_in_order(rates: dict[str, float]) -> None:
    found = by_side(rates)
    assert {name: nats for groups in found.values() for name, nats in groups.items()} == rates
    for side, groups in found.items():
        here = [
            name for name in rates if name.partition("@")[2] == ("" if side == "all" else side.split("x")[0])
        ]
        assert list(groups) == here


def test_the_picture_is_a_png() -> None:
    assert rates_png({"0@1": 3.0, "1@4": 2.0, "2@4": 0.5}, "enc=vdvae").startswith(b"\x89PNG")


def test_a_folder_without_a_record_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["vaebench", "rates", str(tmp_path)])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 2
    assert "has no record yet" in capsys.readouterr().err
