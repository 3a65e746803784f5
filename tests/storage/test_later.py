"""A later field, or another default, renames no record and no run; what is old reads as it was meant."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaebench
from tests.leaderboard.strategies import hostile_records, laws
from vaebench import leaderboard, records, registry
from vaebench.bench.plan import plan, submitted
from vaebench.leaderboard.commands import reproducing
from vaebench.leaderboard.identity import named_by
from vaebench.records import Record, from_json, to_json
from vaebench.requests import tracks
from vaebench.requests.request import Base, Request
from vaebench.run.record import command
from vaebench.settings import FITTING, Scoring, Training
from vaebench.storage import later

BOARD = Path(vaebench.__file__).parents[1] / "leaderboards"
FILES = sorted((BOARD / leaderboard.RECORDS).glob("*.json")) if BOARD.is_dir() else []
needs_board = pytest.mark.skipif(not FILES, reason="the leaderboards of the repository are not here")
CAME = 99
"""A change after every other."""

COMPOSE = "enc=mlp,latent=gaussian,prior=normal,dec=mlp,lik=categorical"
OLD = Training(ema_warmup=False)
REQUESTS = {
    # Digests of the first version whose folders were named by them.
    "17c0f11c": Request(compose=COMPOSE, data="digits", training=OLD, scoring=Scoring(), seed=0),
    "ccf2bc90": Request(
        compose=COMPOSE,
        data="digits",
        training=msgspec.structs.replace(OLD, steps=3, lr=1e-3, recompute=True),
        scoring=Scoring(samples=5, follow=10),
        seed=7,
        fitting=msgspec.structs.replace(OLD, lr=1e-3, compile=True, epochs=2.0),
    ),
    "30dfad6e": Request(
        compose=COMPOSE,
        data="folder:x,size=32",
        training=msgspec.structs.replace(OLD, ema=0.9999),
        scoring=Scoring(),
        seed=1,
        base=Base(weights_sha256="0" * 64, command="vaebench run", frozen=True),
        fitting=OLD,
    ),
}


def tables(kind: Any) -> Iterator[type[msgspec.Struct]]:
    """A Struct and all that its fields hold, however deep."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        yield kind
        for hint in get_type_hints(kind, include_extras=True).values():
            yield from tables(hint)
    else:
        for inner in get_args(kind):
            yield from tables(inner)


RECORD, REQUEST = list(dict.fromkeys(tables(Record))), list(dict.fromkeys(tables(Request)))


def rebuilt(kind: Any, add: Mapping[type, Any], change: Mapping[type, Mapping[str, Any]]) -> Any:
    """A type with fields added to the Structs in it, by their type, or with other defaults."""
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        config = kind.__struct_config__
        hints = get_type_hints(kind, include_extras=True)
        fields: list[Any] = [("brand_new", *add[kind])] if kind in add else []
        for field in msgspec.structs.fields(kind):
            hint = rebuilt(hints[field.name], add, change)
            if field.name in change.get(kind, {}):
                fields.append((field.name, hint, change[kind][field.name]))
            elif field.default_factory is not msgspec.NODEFAULT:
                fields.append((field.name, hint, msgspec.field(default_factory=field.default_factory)))
            else:
                fields.append((field.name, hint, *(() if field.required else (field.default,))))
        return msgspec.defstruct(
            kind.__name__,
            fields,
            frozen=True,
            kw_only=True,
            forbid_unknown_fields=True,
            omit_defaults=config.omit_defaults,
            tag=config.tag,
            tag_field=config.tag_field,
        )
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return Annotated[(rebuilt(inner[0], add, change), *kind.__metadata__)]  # type: ignore[return-value]
    if origin in (Union, UnionType):
        return Union[tuple(rebuilt(each, add, change) for each in inner)]  # noqa: UP007
    if origin in (tuple, dict):
        return origin[tuple(rebuilt(each, add, change) for each in inner)]
    return kind


def other_defaults(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """Another default for every field that has one and can take another."""
    found: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        for value in (not field.default, 3, "off", 0.5, None):
            if field.required or value == field.default:
                continue
            try:
                msgspec.convert({field.name: value}, msgspec.defstruct("_", [(field.name, field.type)]))
            except msgspec.ValidationError:
                continue
            found[field.name] = value
    return found


GROWN = [
    (Annotated[int, later.later(7, since=CAME)], 7),
    (Annotated[int, later.later(7, since=CAME)], 8),
    (Annotated[str | None, later.later(None, since=CAME)], "now"),
]


def digest(record: Any) -> str:
    return hashlib.sha256(later.canonical(record)).hexdigest()[:32]


def name_of(request: Any) -> str:
    return str(Request.digest.fget(request))  # type: ignore[attr-defined]


@needs_board
@pytest.mark.parametrize("grown", GROWN, ids=["as absent", "another default", "of a wider type"])
@pytest.mark.parametrize("table", RECORD, ids=lambda kind: kind.__name__)
def test_a_new_field_in_any_table_leaves_every_record_its_name(table: type, grown: Any) -> None:
    newer = rebuilt(Record, {table: grown}, {})
    for path in FILES[:: 1 if table is Training else 5]:
        record = later.decode(path.read_bytes(), newer)
        assert named_by(path.name, record)
        assert digest(later.convert(later.content(record, later.EVERY), newer)) in path.name


@needs_board
def test_a_field_without_its_mark_renames_them() -> None:
    newer = rebuilt(Record, {Training: (int, 7)}, {})
    assert not named_by(FILES[0].name, later.decode(FILES[0].read_bytes(), newer))


@needs_board
@pytest.mark.parametrize("table", RECORD, ids=lambda kind: kind.__name__)
def test_other_defaults_leave_every_record_its_name_and_its_meaning(table: type[msgspec.Struct]) -> None:
    newer = rebuilt(Record, {}, {table: other_defaults(table)})
    for path in FILES[::5]:
        old = from_json(path.read_bytes(), path)
        new = later.decode(path.read_bytes(), newer)
        assert later.content(new, later.EVERY) == later.content(old, later.EVERY)
        assert named_by(path.name, new)


@needs_board
def test_the_board_is_read_with_a_new_setting_and_another_default(monkeypatch: pytest.MonkeyPatch) -> None:
    newer = rebuilt(Record, {Training: GROWN[1]}, {Training: {"ema": 0.5, "compile": True}})
    monkeypatch.setattr(records, "Record", newer)
    read = leaderboard.records_of(BOARD)
    assert len(read) == len(FILES)
    assert {record.training.brand_new for record in read} == {7}  # type: ignore[attr-defined]
    assert 0.99 in {record.training.ema for record in read}
    assert False in {record.training.compile for record in read}


@needs_board
def test_the_records_of_a_track_still_answer_it(tmp_path: Path) -> None:
    track = tracks.read(tracks.find("digits"))
    planned = plan(track, registry.load(), tmp_path, tmp_path, "cpu", seeds=[0])
    there = submitted(planned.runs, leaderboard.records_of(BOARD))
    assert {run.request.compose for run in planned.runs if run.folder not in there} == set()


@pytest.mark.parametrize("grown", GROWN)
@pytest.mark.parametrize("table", REQUEST, ids=lambda kind: kind.__name__)
def test_runs_folders_keep_their_names(table: type[msgspec.Struct], grown: Any) -> None:
    newer = rebuilt(Request, {table: grown}, {table: other_defaults(table)})
    for known_by, request in REQUESTS.items():
        assert request.digest == known_by
        old = msgspec.json.encode(request)
        assert name_of(later.decode(old, newer)) == known_by
        assert later.decode(old, Request) == request


@pytest.mark.parametrize("request_", REQUESTS.values())
def test_a_request_that_says_more_than_absence_is_another_run(request_: Request) -> None:
    changed = msgspec.structs.replace(request_.training, ema_warmup=True)
    assert msgspec.structs.replace(request_, training=changed).digest != request_.digest


def test_an_old_request_is_read_as_it_was_meant() -> None:
    text = json.loads(msgspec.json.encode(REQUESTS["ccf2bc90"]))
    for table in ("training", "fitting"):
        del text[table]["ema_warmup"], text[table]["recompute"]
    del text["scoring"]["follow_images"]
    read = later.convert(text, Request)
    assert (read.training.ema_warmup, read.training.recompute) == (False, False)
    assert read.fitting is not None
    assert not read.fitting.ema_warmup
    assert read.scoring.follow_images == 50
    assert Training().ema_warmup


@laws
@given(hostile_records)
def test_what_is_written_and_read_is_the_same_record_with_one_digest(record: Record) -> None:
    again = from_json(to_json(record), "x")
    assert again == record
    assert leaderboard.digest(again) == leaderboard.digest(record)


@given(st.permutations(["b", "a", "c"]))
def test_the_order_of_keys_is_no_content(keys: list[str]) -> None:
    assert later.canonical(dict.fromkeys(keys, 1)) == b'{"a":1,"b":1,"c":1}'


def test_a_mark_inside_a_union_is_refused() -> None:
    kind = msgspec.defstruct("_", [("x", Annotated[int, later.later(1, since=1)] | None, None)])
    with pytest.raises(TypeError, match="whole type"):
        later.absences(kind)


def test_a_table_that_omits_defaults_says_what_its_absence_would_not() -> None:
    kind = msgspec.defstruct(
        "_", [("x", Annotated[int, later.later(1, since=1)], 2)], omit_defaults=True, frozen=True
    )
    assert later.content(kind(), later.EVERY) == {"x": 2}
    assert later.content(kind(x=1), later.EVERY) == {}
    assert later.convert({}, kind) == kind(x=1)


# Commands.


def with_default(monkeypatch: pytest.MonkeyPatch, **values: Any) -> None:
    newer = rebuilt(Training, {}, {Training: values})
    fitting = newer(lr=FITTING.lr, weight_decay=0.0, validate=1.0, patience=5)
    monkeypatch.setattr("vaebench.leaderboard.commands.Training", newer)
    monkeypatch.setattr("vaebench.leaderboard.commands.FITTING", fitting)


@needs_board
def test_an_old_command_says_what_today_would_be_understood_otherwise() -> None:
    for path in FILES:
        record = records.read(path)
        said = reproducing(record)
        assert said.startswith(record.command.split(" && ")[0].split(" --out ")[0])
        for segment in said.split(" && "):
            assert segment.startswith("vaebench run") == ("--set ema_warmup=false" in segment)
        assert (record.fit is not None) == ("fit.ema_warmup=false" in said)


@needs_board
def test_another_default_is_said_in_the_commands_of_what_ran_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with_default(monkeypatch, ema=0.5)
    for path in FILES[::4]:
        record = records.read(path)
        last = reproducing(record).split(" && ")[-1]
        if last.startswith("vaebench run"):
            assert f"--set ema={record.training.ema}" in last


@pytest.mark.parametrize("request_", REQUESTS.values())
def test_a_new_command_says_every_later_setting_whose_absence_means_another(request_: Request) -> None:
    newer = msgspec.structs.replace(request_, training=Training(), base=None)
    assert "--set ema_warmup=true" in command(newer)
    assert "compile" not in command(msgspec.structs.replace(newer, fitting=None))


@needs_board
def test_a_new_command_is_shown_as_it_is() -> None:
    record = records.read(FILES[0])
    asked = Request(compose=record.composition, data="digits", training=Training(), scoring=Scoring(), seed=0)
    new = msgspec.structs.replace(
        record, command=command(asked), training=asked.training, scoring=asked.scoring, fit=None
    )
    assert reproducing(new) == new.command


@pytest.mark.parametrize("words", ["vaebench run --compose 'enc", "rm -rf x", "", "vaebench eval x", "&& &&"])
@needs_board
def test_what_is_no_command_of_a_run_is_shown_as_it_is(words: str) -> None:
    assert reproducing(msgspec.structs.replace(records.read(FILES[0]), command=words)) == words


def test_a_base_of_before_is_said_too() -> None:
    record = records.read(FILES[0]) if FILES else pytest.skip("no board")
    chain = (
        "vaebench run --compose enc=mlp --set fit.epochs=2.0 --out base && vaebench refit base --prior mog"
    )
    base, refit = reproducing(msgspec.structs.replace(record, command=chain, fit=None)).split(" && ")
    assert base.endswith("--out base --set ema_warmup=false --set fit.ema_warmup=false")
    assert "fit.ema_warmup=false" in refit
    assert " ema_warmup" not in refit


def test_every_default_is_reachable() -> None:
    """The helper of these tests changes what it says it changes."""
    assert {"ema", "compile", "follow"} <= {*other_defaults(Training), *other_defaults(Scoring)}
    assert rebuilt(Training, {}, {Training: {"ema": 0.5}})().ema == 0.5
