"""The folder: check and regenerate agree, submissions are never lost, a bad file stops everything in time."""

import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.errors import DamagedError, UsageError, VaebenchError
from vaebench.leaderboard import check, digest, file_name, pages, regenerate, submit
from vaebench.records import Record, read, to_json

from .strategies import boards, records

on_disk = settings(max_examples=25)


def fill(root: Path, board: list[Record]) -> None:
    (root / "records").mkdir(exist_ok=True)
    for record in board:
        (root / "records" / file_name(record)).write_bytes(to_json(record))


def state(root: Path) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in root.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@given(boards)
@on_disk
def test_check_is_empty_after_regenerate_which_then_changes_nothing(board: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, board)
        wanted = check(root)
        assert [path.name for path in root.iterdir()] == ["records"]
        assert regenerate(root) == wanted
        assert check(root).changed == []
        before = state(root)
        assert regenerate(root).changed == []
        assert state(root) == before
        kept = {file_name(record): record for record in board}.values()
        written = {name: content for name, (content, _) in before.items() if not name.startswith("records")}
        assert written == pages(list(kept))


@given(st.lists(records, min_size=1, max_size=3), st.data())
@on_disk
def test_any_edit_of_a_page_is_seen_and_mended(board: list[Record], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, board)
        regenerate(root)
        page = data.draw(st.sampled_from(sorted([*root.glob("*.md"), *root.glob("pictures/*")])))
        was = page.read_bytes()
        place = data.draw(st.integers(0, len(was)))
        end = data.draw(st.integers(place, len(was)))
        edited = was[:place] + data.draw(st.binary(max_size=3)) + was[end:]
        page.write_bytes(edited)
        assert check(root).changed == ([] if edited == was else [page])
        regenerate(root)
        assert page.read_bytes() == was


EDITS = {
    "run": "another",
    "created": "2001-01-01",
    "status": "diverged",
    "composition": "enc=other",
    "seed": 99,
    "command": "other",
}


@given(records, st.sampled_from(sorted(EDITS)))
@on_disk
def test_any_edit_of_a_record_is_seen(record: Record, name: str) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, [record])
        regenerate(root)
        edited = msgspec.structs.replace(record, **{name: EDITS[name]})
        (root / "records" / file_name(record)).write_bytes(to_json(edited))
        if edited == record:
            assert check(root).changed == []
            return
        for act in (check, regenerate):
            with pytest.raises(DamagedError, match=f"{file_name(record)} has changed"):
                act(root)


def test_a_page_that_no_longer_belongs_goes_and_one_by_hand_stays(tmp_path: Path) -> None:
    (tmp_path / "records").mkdir()
    regenerate(tmp_path)
    mark = (tmp_path / "README.md").read_text().splitlines()[0]
    (tmp_path / "gone.md").write_text(f"{mark}\n\n# gone\n")
    (tmp_path / "notes.md").write_text("# by hand\n")
    assert check(tmp_path).changed == [tmp_path / "gone.md"]
    assert regenerate(tmp_path).changed == [tmp_path / "gone.md"]
    assert sorted(path.name for path in tmp_path.glob("*.md")) == ["README.md", "notes.md"]


@given(st.lists(records, min_size=1, max_size=3), st.data())
@on_disk
def test_a_damaged_record_is_named_and_nothing_is_written(board: list[Record], data: st.DataObject) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root, board)
        victim = data.draw(st.sampled_from(sorted((root / "records").iterdir())))
        whole = victim.read_bytes()
        unknown = whole.replace(b'"version": 1', b'"version": 2', 1)
        victim.write_bytes(data.draw(st.sampled_from([whole[: len(whole) // 2], b"", unknown])))
        before = state(root)
        for act in (regenerate, check):
            with pytest.raises(DamagedError, match=victim.name):
                act(root)
        assert state(root) == before


def test_a_folder_without_records_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="records"):
        check(tmp_path)
    with pytest.raises(UsageError, match="submit"):
        regenerate(tmp_path)
    assert not list(tmp_path.iterdir())


@given(boards)
@on_disk
def test_submitting_keeps_every_record_once(board: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        root, run = Path(folder) / "boards", Path(folder) / "run"
        run.mkdir()
        for record in board:
            (run / "record.json").write_bytes(to_json(record))
            target = submit(run / "record.json", root)
            assert target == root / "records" / file_name(record)
            assert read(target) == record
            before = state(root)
            assert submit(run / "record.json", root) == target
            assert state(root) == before
        kept = [read(path) for path in root.glob("records/*")]
        assert sorted(map(digest, kept)) == sorted({digest(record) for record in board})


def reversed_keys(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: reversed_keys(value) for key, value in reversed(tree.items())}
    return tree


@given(records)
@on_disk
def test_spelling_of_the_json_makes_no_other_record(record: Record) -> None:
    versions = {"torch": "2", "numpy": "1"}
    environment = msgspec.structs.replace(record.environment, versions=versions)
    text = to_json(msgspec.structs.replace(record, environment=environment))
    other = msgspec.json.encode(reversed_keys(msgspec.json.decode(text)))
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "one.json").write_bytes(text)
        (root / "other.json").write_bytes(other)
        target = submit(root / "one.json", root)
        before = state(root)
        assert submit(root / "other.json", root) == target
        assert state(root) == before


def test_submitting_what_is_no_record_names_it_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "record.json").write_text("{}")
    with pytest.raises(DamagedError, match=r"record\.json"):
        submit(tmp_path / "record.json", tmp_path / "boards")
    with pytest.raises(DamagedError, match=r"absent\.json"):
        submit(tmp_path / "absent.json", tmp_path / "boards")
    assert not (tmp_path / "boards").exists()


@given(records)
@settings(max_examples=1)
def test_what_the_file_system_refuses_is_one_line(record: Record) -> None:
    with TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "record.json").write_bytes(to_json(record))
        (root / "boards").write_text("not a folder")
        with pytest.raises(VaebenchError) as refused:
            submit(root / "record.json", root / "boards")
        assert "boards" in str(refused.value)
        assert "\n" not in str(refused.value)


def _submit_all(paths: list[Path], root: Path) -> None:
    for path in paths:
        submit(path, root)


@given(st.lists(records, min_size=12, max_size=12))
@settings(max_examples=1)
def test_processes_that_submit_at_once_lose_nothing(board: list[Record]) -> None:
    with TemporaryDirectory() as folder:
        runs, root = Path(folder) / "runs", Path(folder) / "boards"
        runs.mkdir()
        paths = []
        for number, record in enumerate(board):
            # Distinct whatever was drawn: each a rerun.
            again = msgspec.structs.replace(record, run=f"run {number}")
            paths.append(runs / f"{number}.json")
            paths[-1].write_bytes(to_json(again))
        with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
            # Every record is submitted by two processes.
            halves = [paths[:6], paths[6:], paths[::-1][:6], paths[::-1][6:]]
            for done in [pool.submit(_submit_all, half, root) for half in halves]:
                done.result()
        kept = list((root / "records").iterdir())
        assert len(kept) == 12
        assert all(path.name == file_name(read(path)) for path in kept)


def test_importing_the_leaderboard_is_light() -> None:
    program = "import sys, vaebench.leaderboard; print(*sys.modules, sep='\\n')"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    heavy = {"torch", "numpy", "pandas", "sklearn", "matplotlib"}
    assert not heavy & set(done.stdout.split())
