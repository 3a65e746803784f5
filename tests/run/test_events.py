"""Events of a run: strict JSON, one line each, that any reader of JSON can use."""

import json
import math
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.command import call
from vaebench.run import events

NUMBERS = st.floats() | st.just(math.nan)
KINDS = {kind.__struct_config__.tag: kind for kind in get_args(events.Event)}
EVERY = st.one_of(*(st.from_type(kind) for kind in KINDS.values()))


def refuse(name: str) -> None:
    raise AssertionError(f"{name} is no JSON")


@given(EVERY)
def test_every_event_is_one_line_of_strict_json_that_reads_back(event: Any) -> None:
    line = events.encode(event)
    assert "\n" not in line
    table = json.loads(line, parse_constant=refuse)
    assert KINDS[table.pop("event")] is type(event)
    for name, value in table.items():
        kept = getattr(event, name)
        finite = not isinstance(kept, float) or math.isfinite(kept)
        assert value == (kept if finite else None)
    again = events.decode(line)
    assert type(again) is type(event)
    assert events.encode(again) == line  # type: ignore[arg-type]


@given(EVERY, st.dictionaries(st.text().map("x{}".format), st.none() | st.booleans() | st.text()))
def test_keys_of_another_version_are_passed_over(event: Any, more: dict[str, Any]) -> None:
    table = {**json.loads(events.encode(event)), **more}
    assert events.encode(events.decode(json.dumps(table))) == events.encode(event)  # type: ignore[arg-type]
    assert events.is_event(json.dumps({**table, "event": "another"}))


@given(st.text() | st.binary().map(lambda raw: raw.decode(errors="surrogateescape")) | st.just("[" * 10**5))
def test_words_are_no_event(line: str) -> None:
    assert events.decode(line) is None
    assert not events.is_event(line)


KEYS = {
    "say": {"line"},
    "start": {"step", "total"},
    "step": {"step", "total", "loss", "images_per_second"},
    "validated": {"step", "total", "bits_per_dim", "best"},
    "count": {"what", "done", "total"},
}


@pytest.mark.parametrize("name", KEYS)
def test_the_keys_that_scripts_read_stay(name: str) -> None:
    assert KEYS[name] <= set(KINDS[name].__struct_fields__)


def test_a_run_that_diverges_tells_so_in_strict_json(
    tmp_path: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vaebench.progress.Events.every", 0.0)
    words = ("run", "--compose", "enc=mlp,latent.dim=2", "--steps", 30, "--set", "lr=1e30", "--set", "clip=0")
    code = call(*words, "--progress", "json", "--device", "cpu", "--out", tmp_path / "run")
    assert code != 0
    lines = capsys.readouterr().err.splitlines()
    told = [json.loads(line, parse_constant=refuse) for line in lines if events.is_event(line)]
    assert told[-1] == {"event": "end", "status": "diverged", "bits_per_dim": None}
    assert {"event": "phase", "phase": "training"} in told
    assert None in [event["loss"] for event in told if event["event"] == "step"]
