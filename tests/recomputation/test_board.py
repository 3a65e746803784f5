"""What each column of a board shows for the runs, computed from their records by hand."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.recomputation.rows import Row, cells, page_of, ranks, table
from tests.recomputation.runs import ASKED, Made, Run, command


def test_the_columns_of_a_section_of_several_rows(board: Path, rows: list[Row]) -> None:
    shown = table(page_of(board, rows[0]))
    assert len(shown) == len(rows)
    for place, (line, row, rank) in enumerate(zip(shown, rows, ranks(rows), strict=True), 1):
        composition = row.records[0]["composition"].replace(",", ", ")
        assert line["composition"] == f"`{composition}`"
        due = cells(row, rank, place, fitted=True)
        assert {title: line[title] for title in due} == due


def test_numbers_stand_right_and_words_left(board: Path, rows: list[Row]) -> None:
    page = page_of(board, rows[0]).splitlines()
    place = next(n for n, line in enumerate(page) if line.startswith("|---"))
    titles, rule = (page[n].strip("|").split("|") for n in (place - 1, place))
    left = {title.strip() for title, side in zip(titles, rule, strict=True) if side == "---"}
    assert {title.split("\N{NO-BREAK SPACE}")[0] for title in left} == {
        "composition",
        "samples",
        "bound",
        "components from",
    }


@pytest.mark.parametrize("name", ["binary", "colour"])
def test_the_columns_of_a_row_alone(board: Path, made: Made, name: str) -> None:
    row = Row([made[name].record])
    (line,) = table(page_of(board, row))
    due = cells(row, "1", 1, fitted=False)
    assert {title: line[title] for title in due} == due
    assert "prior fit (s)" not in line
    assert ("nats" in line) == (name == "binary")


def test_what_stands_around_the_tables(board: Path, made: Made, rows: list[Row]) -> None:
    for name in ASKED:
        run = made[name]
        record, page = run.record, page_of(board, Row([run.record]))
        data, fid = record["data"], record["scores"]["fid"]
        budget = record["training"]["steps"] * record["training"]["batch"]
        temperature = f"{record['scoring']['temperature']:g}"
        for phrase in (
            f"Baseline, a histogram per pixel: {record['scores']['histogram_bits_per_dim']:.4f} bits/dim.",
            f"- {data['channels']}×{data['height']}×{data['width']} pixels of {data['levels']} levels\n",
            f"- {data['train']:,} training, {data['validation']} validation, {data['test']} test images\n",
            f"- budget {budget:,} images\n- K = 5\n- FID of {fid['images']} images by {fid['extractor']} ",
            f"{fid['features']} features) at temperature {temperature} against {data['train']:,} of training",
            record["command"],
        ):
            assert phrase in page, phrase
    index = {line["data"].split("]")[0][1:]: line for line in table((board / "README.md").read_text())}
    best = rows[0]
    assert index["digits"]["runs"] == "4"
    assert index["digits"]["bits/dim"] == cells(best, "", 1, fitted=True)["bits/dim"]
    assert index["photos"] if "photos" in index else index["folder-photos"]


def test_a_rows_commands_are_those_of_its_records(board: Path, rows: list[Row]) -> None:
    items = page_of(board, rows[0]).split("### Commands")[1]
    stored = {json.loads(f.read_text())["run"]: f.stem for f in (board / "records").glob("*.json")}
    for place, row in enumerate(rows, 1):
        item = re.search(rf"(?ms)^{place}\. .*?(?=^{place + 1}\. |\Z)", items)
        assert item is not None
        for record in row.records:
            named = stored[record["run"]].rpartition("-")[2][:12]
            assert f"seed {record['seed']} ({named})" in item[0]
            assert record["command"] in item[0]


def changed(run: Run, folder: Path, fid: dict[str, Any]) -> Path:
    """A run's folder whose record tells another FID."""
    folder.mkdir()
    shutil.copy(run.folder / "run.json", folder)
    record = json.loads((run.folder / "record.json").read_text())
    record.pop("sha256", None)
    record["scores"]["fid"] = fid
    (folder / "record.json").write_text(json.dumps(record))
    return folder


def test_a_score_that_is_missing_or_doubtful_has_a_note(made: Made, tmp_path: Path) -> None:
    coded, tall = made["coded"], made["hierarchical"]
    few = {**coded.record["scores"]["fid"], "few_images": True}
    lacks = {"outcome": "missing", "why": "nothing fits"}
    for run, fid in ((coded, few), (tall, lacks)):
        command("submit", changed(run, tmp_path / run.folder.name, fid), "--root", tmp_path / "board")
    command("leaderboard", "--root", tmp_path / "board")
    page = (tmp_path / "board" / "digits.md").read_text()
    notes = dict(re.findall(r"(?m)^- ([¹²³⁴]) (.*)$", page))
    for line in table(page):
        (mark,) = re.findall("[¹²³⁴]", line["FID at 210"])
        if "ema-vq" in line["composition"]:
            assert line["FID at 210"] == f"{few['fid']:.2f}{mark}"
            assert notes[mark].startswith("no more images than features")
        else:
            assert line["FID at 210"] == line["FID → ∞"] == line["KID"] == f"—{mark}"
            assert notes[mark] == "no FID: nothing fits"
