"""What an editor, a shell or git does to a text changes nothing that is read from it."""

import codecs
import shutil
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from tests.leaderboard.strategies import laws, records
from vaebench.composing.sources import source_sha256
from vaebench.errors import DamagedError
from vaebench.leaderboard import folder, published
from vaebench.records import Record, from_json, read, to_json
from vaebench.requests import recipes, tracks
from vaebench.requests.request import Request
from vaebench.run.folder import RunFolder
from vaebench.settings import Scoring, Training
from vaebench.storage.encoding import plain_utf8
from vaebench.storage.seal import seal, unseal

MARKS = {
    "": b"",
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
encodings = st.sampled_from(sorted(MARKS))
ends = st.sampled_from(["\n", "\r\n", "\r"])
TOUCHED = [(encoding, end) for encoding in MARKS for end in ("\n", "\r\n", "\r")]


def touched(text: bytes, encoding: str, end: str) -> bytes:
    """``text``, which is UTF-8, as a program that saves it so leaves it."""
    return MARKS[encoding] + text.decode().replace("\n", end).encode(encoding or "utf-8")


def rewrite(path: Path, encoding: str, end: str) -> None:
    path.write_bytes(touched(path.read_bytes(), encoding, end))


@given(st.text(st.characters(exclude_characters="\r\ufeff", exclude_categories=["Cs"])), encodings, ends)
def test_any_text_comes_back(text: str, encoding: str, end: str) -> None:
    assert plain_utf8(touched(text.encode(), encoding, end)).decode() == text


@laws
@given(records, encodings, ends, st.sampled_from(["", "\n", "\n\n"]))
def test_a_sealed_record_is_read_whatever_touched_it(
    record: Record, encoding: str, end: str, last: str
) -> None:
    text = seal(to_json(record)).rstrip(b"\n") + last.encode()
    assert from_json(unseal(touched(text, encoding, end)), "a test") == record


@laws
@given(records, encodings, ends, st.data())
def test_the_seal_still_notices_any_other_change(
    record: Record, encoding: str, end: str, data: st.DataObject
) -> None:
    """A flipped bit of content is refused, or leaves a text that is no record."""
    text = bytearray(seal(to_json(record)).rstrip(b"\n"))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        changed = touched(bytes(text), encoding, end)
    except UnicodeDecodeError:
        changed = bytes(text).replace(b"\n", end.encode())
    with pytest.raises((ValueError, DamagedError)):
        from_json(unseal(changed), "a test")


@pytest.mark.parametrize(("encoding", "end"), TOUCHED)
def test_recipes_tracks_and_published_figures_are_read(tmp_path: Path, encoding: str, end: str) -> None:
    for room, name in ((recipes, "vdvae-cifar10"), (tracks, "digits")):
        copy = tmp_path / f"{name}.toml"
        shutil.copy(room.find(name), copy)
        rewrite(copy, encoding, end)
        assert room.read(copy) == room.read(room.find(name))
    figures = Path(__file__).parents[2] / "leaderboards" / published.FILE
    shutil.copy(figures, tmp_path)
    rewrite(tmp_path / published.FILE, encoding, end)
    assert published.read(tmp_path / published.FILE) == published.read(figures)


@pytest.mark.parametrize(("encoding", "end"), TOUCHED)
@pytest.mark.parametrize("sealed", [True, False])
def test_a_runs_request_and_record_are_read(tmp_path: Path, encoding: str, end: str, sealed: bool) -> None:
    run = RunFolder(tmp_path)
    request = Request(
        compose="enc=mlp", data="folder:/ä,split=hash", training=Training(), scoring=Scoring(), seed=3
    )
    run.write_request(request)
    record = next((Path(__file__).parents[2] / "leaderboards" / "records").glob("*.json"))
    run.record.write_bytes(seal(record.read_bytes()))
    for path in (run.request_file, run.record):
        if not sealed:
            path.write_bytes(unseal(path.read_bytes()))
        rewrite(path, encoding, end)
    assert run.request() == request
    assert read(run.record) == read(record)


@pytest.mark.parametrize("content", [codecs.BOM_UTF16_LE + b"{", codecs.BOM_UTF16_LE + b"\x00\xd8"])
def test_text_that_is_not_what_its_mark_says_is_refused_in_one_line(
    tmp_path: Path, content: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("run.json", "record.json", "recipe.toml"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DamagedError, match=r"run\.json"):
        RunFolder(tmp_path).request()
    with pytest.raises(DamagedError, match=r"record\.json"):
        read(tmp_path / "record.json")
    assert call("run", "--recipe", tmp_path / "recipe.toml") == 2
    assert "recipe.toml is not valid TOML" in capsys.readouterr().err


@pytest.mark.parametrize(("encoding", "end"), TOUCHED)
def test_a_board_that_git_checked_out_with_other_line_ends_is_up_to_date(
    tmp_path: Path, encoding: str, end: str
) -> None:
    record = read(next((Path(__file__).parents[2] / "leaderboards" / "records").glob("*.json")))
    (tmp_path / "record.json").write_bytes(seal(to_json(msgspec.structs.replace(record, pictures=None))))
    folder.submit(tmp_path / "record.json", tmp_path / "board")
    assert call("leaderboard", "--root", tmp_path / "board") == 0
    texts = [path for path in (tmp_path / "board").rglob("*") if path.suffix in (".md", ".svg", ".json")]
    assert len(texts) >= 3
    for path in texts:
        rewrite(path, encoding, end)
    assert folder.records_of(tmp_path / "board")
    assert call("leaderboard", "--check", "--root", tmp_path / "board") == 0
    (tmp_path / "board" / "README.md").write_bytes(touched(b"other", encoding, end))
    assert call("leaderboard", "--check", "--root", tmp_path / "board") == 1


def test_the_hash_of_a_parts_code_does_not_depend_on_its_encoding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    code = 'class Component:\n    name = "ä"\n'
    for number, content in enumerate(
        (code.encode(), codecs.BOM_UTF8 + code.encode(), code.replace("\n", "\r\n").encode())
    ):
        package = tmp_path / f"fake_touched{number}"
        package.mkdir()
        (package / "__init__.py").write_bytes(b"")
        (package / "part.py").write_bytes(content)
    hashes = [source_sha256(f"fake_touched{number}.part:Component") for number in range(3)]
    assert None not in hashes
