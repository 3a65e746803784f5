"""A track: compositions that are trained on the same data with the same budget and scored by one protocol."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from vaebench.composing.parameters import Parameter, convert, parameters_of, text
from vaebench.composing.spec import Spec, parse, parse_data
from vaebench.errors import UsageError
from vaebench.requests.request import Request
from vaebench.settings import FITTING, Scoring, Training
from vaebench.storage import toml as tables
from vaebench.text import CONTROL, nearest, one_line

_SHIPPED = Path(__file__).parent / "trackbook"
_LENGTHS = ("steps", "epochs")


class TrackEntry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A composition of a track, and why it is there."""

    compose: str
    why: str
    set: dict[str, Any] = {}
    """Settings of training that differ from the track's."""


class Track(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every entry shares, and the entries; ``images`` of the budget are in ``training.steps``."""

    name: str
    summary: str
    data: str
    seeds: tuple[int, ...]
    training: Training
    scoring: Scoring
    fitting: Training
    """How a prior is fitted, for the entries where that comes after the rest."""
    entries: tuple[TrackEntry, ...]
    base: str | None = None
    """The composition whose slots an added component takes."""

    @property
    def images(self) -> int:
        """Images that every entry sees: the budget in whole steps."""
        assert self.training.steps is not None
        return self.training.steps * self.training.batch

    def request(self, entry: TrackEntry, *, fitted: bool, bound_has_k: bool = True) -> Request:
        """What an entry asks for, before defaults, with the first seed.

        :param fitted: its prior is fitted after the rest
        :param bound_has_k: its bound depends on K; else K is 1, as any other would say the same
        """
        return Request(
            compose=entry.compose,
            data=self.data,
            training=msgspec.structs.replace(self.training, **entry.set),
            scoring=self.scoring if bound_has_k else msgspec.structs.replace(self.scoring, samples=1),
            seed=self.seeds[0],
            fitting=self.fitting if fitted else None,
        )


class _Length(msgspec.Struct, frozen=True, kw_only=True):
    images: Annotated[int, Meta(ge=1, description="training images seen, repeats counted")]


class _Said(msgspec.Struct, frozen=True, kw_only=True):
    """A track's file as it is written."""

    summary: str
    data: str
    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**62)], ...], Meta(min_length=1, description="of every entry")
    ]
    budget: dict[str, Any]
    scoring: dict[str, Any]
    entries: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]
    fit: dict[str, Any] = {}
    base: str | None = None


def shipped() -> dict[str, Path]:
    """The tracks that come with vaebench, by name."""
    return tables.shipped(_SHIPPED)


def summary(path: Path) -> str:
    """What a track says of itself."""
    return read(path).summary


def find(said: str) -> Path:
    """A track's file: a shipped one by its name, else a path; UsageError for an unknown name."""
    return tables.find(said, shipped(), "track")


def read(path: Path) -> Track:
    """The track in a file; UsageError, naming file and key, where it is none."""
    table = tables.read(path)
    try:
        return from_table(path.stem, table)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def from_table(name: str, table: Mapping[str, Any]) -> Track:
    """The track that a file's table says; UsageError, naming the key, where it says none."""
    said = _typed(table, _Said, "", "a track")
    _line("summary", said.summary)
    if len(set(said.seeds)) < len(said.seeds):
        raise UsageError("seeds: each is given once")
    entries = tuple(_entry(f"entries[{i}]", entry) for i, entry in enumerate(said.entries))
    keys = [(entry.compose, repr(sorted(entry.set.items()))) for entry in entries]
    for i, key in enumerate(keys):
        if key in keys[:i]:
            raise UsageError(f"entries[{i}] is entries[{keys.index(key)}] again")
    return Track(
        name=name,
        summary=said.summary,
        data=_read("data", parse_data, said.data),
        seeds=said.seeds,
        training=_budget("budget", said.budget, Training()),
        scoring=Scoring(**convert("scoring", parameters_of(Scoring), said.scoring, "scoring")),
        fitting=_budget("fit", said.fit, FITTING) if said.fit else FITTING,
        entries=entries,
        base=None if said.base is None else _read("base", parse, said.base),
    )


def _budget(label: str, given: Mapping[str, Any], default: Training) -> Training:
    """Training of so many images, in whole steps: all runs of one budget count the same images."""
    values = convert(label, parameters_of(_Length) | _training(_LENGTHS), given, label)
    images = values.pop("images")
    found = msgspec.structs.replace(default, **values)
    return msgspec.structs.replace(found, steps=-(-images // found.batch))


def _training(without: tuple[str, ...]) -> dict[str, Parameter]:
    return {name: p for name, p in parameters_of(Training).items() if name not in without}


def _entry(where: str, table: Mapping[str, Any]) -> TrackEntry:
    said = _typed(table, TrackEntry, f"{where}.", "an entry")
    _line(f"{where}.why", said.why)
    for name in said.set:
        if name in (*_LENGTHS, "batch", "images"):
            raise UsageError(f"{where}.set.{name}: the budget is the same for all entries")
        if name in Scoring.__struct_fields__:
            raise UsageError(f"{where}.set.{name}: the protocol of scoring is the same for all entries")
    own = convert(f"{where}.set", _training((*_LENGTHS, "batch")), said.set, "training")
    return TrackEntry(compose=_read(f"{where}.compose", parse, said.compose), why=said.why, set=own)


def _typed(table: Mapping[str, Any], kind: Any, prefix: str, what: str) -> Any:
    """A table as a struct: unknown keys with the nearest right one, values of the right type."""
    known = kind.__struct_fields__
    for key in table:
        if key not in known:
            has = f"it has {', '.join(known)}{nearest(key, known)}"
            raise UsageError(f"{prefix}{one_line(key)} is not of {what}; {has}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        at = place.rstrip("`").removeprefix(".")
        raise UsageError(f"{prefix}{at}: {text}" if at else f"{prefix.rstrip('.')}{text}") from None


def _line(label: str, said: str) -> None:
    if not said.strip() or CONTROL.search(said):
        raise UsageError(f"{label}: one line of text is expected")


def _read(label: str, parser: Any, said: str) -> str:
    """The canonical text of a spec."""
    try:
        return str(parser(said))
    except UsageError as error:
        raise UsageError(f"{label}: {error}") from None


def label(entry: TrackEntry, track: Track) -> str:
    """What an entry says that the track's base does not; ``base`` where that is nothing."""
    base = set(_pieces(track.base)) if track.base else set()
    own = [piece for piece in _pieces(entry.compose) if piece not in base]
    own += [f"{name}={text(value)}" for name, value in entry.set.items()]
    return ",".join(own) or "base"


def _pieces(compose: str) -> list[str]:
    return [str(Spec({slot: choice})) for slot, choice in parse(compose).choices.items()]
