"""Tracks: compositions that are trained on the same data with the same budget and scored by one protocol."""

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
    """One composition of a track and the reason for including it."""

    compose: str
    why: str
    set: dict[str, Any] = {}
    """Training settings that differ from the track's."""


class Track(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The entries of a track and what they share; the budget's ``images`` become ``training.steps``."""

    name: str
    summary: str
    data: str
    seeds: tuple[int, ...]
    training: Training
    scoring: Scoring
    fitting: Training
    """The settings of fitting a prior, for the entries whose prior is fitted after the rest."""
    entries: tuple[TrackEntry, ...]
    base: str | None = None
    """The composition into which an added component is put."""

    @property
    def images(self) -> int:
        """The number of training images that every entry sees, rounded up to whole steps."""
        assert self.training.steps is not None
        return self.training.steps * self.training.batch

    def request(self, entry: TrackEntry, *, fitted: bool, bound_has_k: bool = True) -> Request:
        """Return the request of an entry, before defaults, with the first seed.

        :param fitted: whether its prior is fitted after the rest
        :param bound_has_k: whether its bound depends on K; if not, K is 1, because every K gives the same
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
    images: Annotated[int, Meta(ge=1, description="training images seen, counting repeats")]


class _TrackFile(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a track's file."""

    summary: str
    data: str
    seeds: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=2**62)], ...],
        Meta(min_length=1, description="seeds of every entry"),
    ]
    budget: dict[str, Any]
    scoring: dict[str, Any]
    entries: Annotated[tuple[dict[str, Any], ...], Meta(min_length=1)]
    fit: dict[str, Any] = {}
    base: str | None = None


def shipped() -> dict[str, Path]:
    """Return the files of the tracks that come with vaebench, by name."""
    return tables.shipped(_SHIPPED)


def summary(path: Path) -> str:
    """Return the summary of the track in a file."""
    return read(path).summary


def find(word: str) -> Path:
    """Return a track's file: a shipped one by its name, else a path.

    :raises UsageError: for an unknown name
    """
    return tables.find(word, shipped(), "track")


def read(path: Path) -> Track:
    """Read the track in a file.

    :raises UsageError: where it is not a valid track; the message names file and key
    """
    table = tables.read(path)
    try:
        return from_table(path.stem, table)
    except UsageError as error:
        raise UsageError(f"{path}: {error}") from None


def from_table(name: str, table: Mapping[str, Any]) -> Track:
    """Make the track that the table of a file describes.

    :raises UsageError: where the table is not a valid track; the message names the key
    """
    content = _typed(table, _TrackFile, "", "a track")
    _line("summary", content.summary)
    if len(set(content.seeds)) < len(content.seeds):
        raise UsageError("seeds: a seed is given twice")
    entries = tuple(_entry(f"entries[{i}]", entry) for i, entry in enumerate(content.entries))
    keys = [(entry.compose, repr(sorted(entry.set.items()))) for entry in entries]
    for i, key in enumerate(keys):
        if key in keys[:i]:
            raise UsageError(f"entries[{i}] repeats entries[{keys.index(key)}]")
    return Track(
        name=name,
        summary=content.summary,
        data=_read("data", parse_data, content.data),
        seeds=content.seeds,
        training=_budget("budget", content.budget, Training()),
        scoring=Scoring(**convert("scoring", parameters_of(Scoring), content.scoring, "scoring")),
        fitting=_budget("fit", content.fit, FITTING) if content.fit else FITTING,
        entries=entries,
        base=None if content.base is None else _read("base", parse, content.base),
    )


def _budget(label: str, given: Mapping[str, Any], default: Training) -> Training:
    """Return training settings whose steps amount to the budget's images, rounded up to whole steps."""
    values = convert(label, parameters_of(_Length) | _training(_LENGTHS), given, label)
    images = values.pop("images")
    settings = msgspec.structs.replace(default, **values)
    return msgspec.structs.replace(settings, steps=-(-images // settings.batch))


def _training(without: tuple[str, ...]) -> dict[str, Parameter]:
    return {name: p for name, p in parameters_of(Training).items() if name not in without}


def _entry(where: str, table: Mapping[str, Any]) -> TrackEntry:
    entry = _typed(table, TrackEntry, f"{where}.", "an entry")
    _line(f"{where}.why", entry.why)
    for name in entry.set:
        if name in (*_LENGTHS, "batch", "images"):
            raise UsageError(f"{where}.set.{name}: an entry cannot change the budget of its track")
        if name in Scoring.__struct_fields__:
            raise UsageError(f"{where}.set.{name}: an entry cannot change the scoring protocol of its track")
    own = convert(f"{where}.set", _training((*_LENGTHS, "batch")), entry.set, "training")
    return TrackEntry(compose=_read(f"{where}.compose", parse, entry.compose), why=entry.why, set=own)


def _typed(table: Mapping[str, Any], kind: Any, prefix: str, what: str) -> Any:
    """Convert a table to a struct.

    :raises UsageError: for an unknown key, with the most similar valid one, and for a value of a wrong type
    """
    names = kind.__struct_fields__
    for key in table:
        if key not in names:
            keys = f"{what} has {', '.join(names)}{nearest(key, names)}"
            raise UsageError(f"unknown key {prefix}{one_line(key)}; {keys}")
    try:
        return msgspec.convert(table, kind)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at `$")
        at = place.rstrip("`").removeprefix(".")
        raise UsageError(f"{prefix}{at}: {text}" if at else f"{prefix.rstrip('.')}{text}") from None


def _line(label: str, value: str) -> None:
    if not value.strip() or CONTROL.search(value):
        raise UsageError(f"{label}: one line of text is expected")


def _read(label: str, parser: Any, spec: str) -> str:
    """Return the canonical text of a spec."""
    try:
        return str(parser(spec))
    except UsageError as error:
        raise UsageError(f"{label}: {error}") from None


def label(entry: TrackEntry, track: Track) -> str:
    """Return the pieces of an entry that differ from the track's base; ``base`` where there are none."""
    base = set(_pieces(track.base)) if track.base else set()
    own = [piece for piece in _pieces(entry.compose) if piece not in base]
    own += [f"{name}={text(value)}" for name, value in entry.set.items()]
    return ",".join(own) or "base"


def _pieces(compose: str) -> list[str]:
    return [str(Spec({slot: choice})) for slot, choice in parse(compose).choices.items()]
