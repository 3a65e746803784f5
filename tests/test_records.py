"""Records: JSON and back, and nothing that is not a record of this version."""

import math
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaebench.errors import DamagedError
from vaebench.records import PartOrigin, Record, from_json, read, to_json

from .leaderboard.strategies import hostile_records, laws, records


@laws
@given(hostile_records)
def test_json_and_back(record: Record) -> None:
    text = to_json(record)
    assert from_json(text, "x") == record
    assert to_json(from_json(text, "x")) == text


def places(tree: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all floats."""
    if isinstance(tree, float):
        return [path]
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    return [place for key, value in items for place in places(value, (*path, key))]


@laws
@given(records, st.sampled_from([math.nan, math.inf, -math.inf]), st.data())
def test_what_is_not_finite_is_refused_anywhere(record: Record, bad: float, data: st.DataObject) -> None:
    tree = msgspec.to_builtins(record)
    *path, last = data.draw(st.sampled_from(places(tree)))
    parent = tree
    for key in path:
        parent = parent[key]
    parent[last] = bad
    with pytest.raises(ValueError):  # noqa: PT011 (settings refuse it themselves, in words of their own)
        to_json(msgspec.convert(tree, Record))


@laws
@given(hostile_records, st.data())
def test_a_truncated_record_is_refused(record: Record, data: st.DataObject) -> None:
    text = to_json(record).rstrip()
    kept = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(DamagedError, match="some/where"):
        from_json(text[:kept], "some/where")


@laws
@given(hostile_records, st.data())
def test_a_flipped_bit_is_refused_or_gives_another_record(record: Record, data: st.DataObject) -> None:
    text = bytearray(to_json(record))
    place = data.draw(st.integers(0, len(text) - 1))
    text[place] ^= 1 << data.draw(st.integers(0, 7))
    try:
        flipped = from_json(bytes(text), "some/where")
    except DamagedError as error:
        assert "some/where" in str(error)  # noqa: PT017
    else:
        assert from_json(to_json(flipped), "x") == flipped


@laws
@given(records, st.sampled_from([("[", "]"), ('{"a":', "}")]))
def test_depth_is_refused_rather_than_fatal(record: Record, ends: tuple[str, str]) -> None:
    origin = PartOrigin(name="x", package="x", package_version="1", parameters={"deep": "here"})
    text = to_json(msgspec.structs.replace(record, parts={"x": origin})).decode()
    shallow, deep = (
        text.replace('"deep": "here"', f'"deep": {ends[0] * depth}0{ends[1] * depth}').encode()
        for depth in (10, 100_000)
    )
    assert from_json(shallow, "some/where").run == record.run
    with pytest.raises(DamagedError, match="some/where"):
        from_json(deep, "some/where")


@laws
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_what_is_no_record_is_refused(text: bytes) -> None:
    with pytest.raises(DamagedError, match="some/where"):
        from_json(text, "some/where")


@laws
@given(records, st.data())
def test_a_record_that_says_more_or_less_is_refused(record: Record, data: st.DataObject) -> None:
    tree = msgspec.to_builtins(record)
    for act in data.draw(st.lists(st.sampled_from(["more", "less", "version"]), min_size=1)):
        if act == "more":
            tree["extra"] = 1
        elif act == "less":
            tree.pop(data.draw(st.sampled_from(["run", "seed", "data", "command", "scores"])), None)
        else:
            tree["version"] = data.draw(st.integers().filter(lambda number: number != 1))
    with pytest.raises(DamagedError, match="some/where"):
        from_json(msgspec.json.encode(tree), "some/where")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Any) -> None:
    with pytest.raises(DamagedError, match="absent"):
        read(tmp_path / "absent")
    with pytest.raises(DamagedError, match=tmp_path.name):
        read(tmp_path)


@laws
@given(records)
def test_a_record_from_before_perplexity_reads_and_is_the_same_record(record: Record) -> None:
    if record.scores is None:
        return
    likelihood = msgspec.structs.replace(record.scores.likelihood, perplexity={})
    bare = msgspec.structs.replace(
        record, scores=msgspec.structs.replace(record.scores, likelihood=likelihood)
    )
    assert b'"perplexity"' not in to_json(bare)
    assert b'"perplexity"' not in msgspec.json.encode(bare), "its digest is the one it had"
    assert from_json(to_json(bare), "bare") == bare
