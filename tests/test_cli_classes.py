"""Names of classes: from folders to the record, ``show`` and ``sample --label``."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from vaebench import records
from vaebench.leaderboard.identity import digest

from .command import call

CODES = (
    "enc=conv,enc.width=4,latent=ema-vq,latent.codes=8,latent.dim=3,prior=pixelcnn,prior.width=4,"
    "prior.layers=1,prior.classes=12,dec=conv,dec.width=4,lik.components=1"
)
NAMES = [*map(str, range(1, 12)), "Äpfel und mehr"]
"""Twelve classes whose numbers are not their names."""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("photos")
    for number, name in enumerate(NAMES):
        (place / name).mkdir()
        for k in range(5):
            noise = np.random.default_rng(100 * number + k).integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(noise).save(place / name / f"{k}.png")
    return place


@pytest.fixture(scope="module")
def finished(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "codes"
    data = f"folder:{photos},size=8"
    quick = ["--steps", "2", "--set", "extractor=off", "--set", "fit.steps=2", "--device", "cpu"]
    assert call("run", "--compose", CODES, "--data", data, *quick, "--out", out) == 0
    return out


def sampled(run: Path, label: str) -> bytes:
    out = run / "picture.png"
    assert call("sample", run, "--label", label, "--count", 4, "--out", out) == 0
    return out.read_bytes()


def test_the_record_names_the_classes_in_natural_order(finished: Path) -> None:
    record = records.read(finished / "record.json")
    assert record.classes == tuple(NAMES)
    assert record.data.spec.endswith(",size=8,split=hash")


def test_a_record_without_names_is_what_it_was(finished: Path) -> None:
    """Names are part of a record's content, and a record of before has none."""
    record = records.read(finished / "record.json")
    bare = msgspec.structs.replace(record, classes=())
    content = json.loads(records.to_json(bare))
    assert content.pop("classes") == []
    assert digest(bare) != digest(record)
    assert digest(records.from_json(json.dumps(content).encode(), "x")) == digest(bare)


def test_a_label_is_a_name_before_it_is_a_number(finished: Path) -> None:
    from vaebench.cli.pictures import _class_number

    for number, name in enumerate(NAMES):
        assert _class_number(name, NAMES) == number
    assert _class_number("äPFEL UND MEHR", NAMES) == 11
    assert _class_number("0", NAMES) == 0  # no class has this name
    assert _class_number("7", ()) == 7
    assert sampled(finished, "11") == sampled(finished, "11") != b""
    assert call("sample", finished, "--label", "3", "--count", 2) == 0
    assert (finished / "samples-class3-t1-s0.png").exists()
    assert call("sample", finished, "--label", NAMES[-1], "--count", 2) == 0
    assert (finished / "samples-class11-t1-s0.png").exists()


@pytest.mark.parametrize("label", ["Äpfel", "-1", "3.0", "", "9" * 5000, "1\n2"])
def test_an_unknown_label_is_one_line(label: str, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("sample", finished, "--label", label) == 2
    text = capsys.readouterr().err
    assert text.count("\n") == 1
    assert "classes are 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ..." in text


def test_show_loads_a_data_set_that_is_given_what_it_takes(
    photos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert call("show", f"data=folder:{photos},size=8") == 0
    lines = capsys.readouterr().out.splitlines()
    table = lines[lines.index("classes") + 1 :]
    assert [line.split(maxsplit=1) for line in table] == [[str(k), name] for k, name in enumerate(NAMES)]
    assert call("show", f"dataset=folder:{photos},size=8", "--json") == 0
    about = json.loads(capsys.readouterr().out)["data"]
    assert about["classes"] == NAMES
    assert sum(about["images"].values()) == 5 * len(NAMES)
    assert call("show", "dataset=folder", "--json") == 0
    assert "data" not in json.loads(capsys.readouterr().out)
    assert call("show", "data=folder:/nowhere") == 2
    assert "no such folder" in capsys.readouterr().err
