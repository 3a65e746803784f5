"""The plan of a track: a canonical request for every entry and seed, and the records that answer them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from vaebench import records
from vaebench.composing.parameters import text
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import Choice, Spec, check_names, parse
from vaebench.contracts import ImageShape
from vaebench.errors import UsageError, VaebenchError
from vaebench.evaluation.likelihood import default_samples
from vaebench.records import Record
from vaebench.registry import Registry
from vaebench.requests.request import Request, as_before
from vaebench.requests.tracks import Track, TrackEntry
from vaebench.run import prepare
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import Prepared


@dataclass(frozen=True)
class PlannedRun:
    """One entry with one seed, and the folder of its run."""

    entry: TrackEntry
    prepared: Prepared
    folder: Path
    added: bool = False

    @property
    def request(self) -> Request:
        """The request of the run, in canonical form."""
        return self.prepared.request


@dataclass(frozen=True)
class Refused:
    """An entry that cannot be run here, and the reason, such as a component that is not installed."""

    entry: TrackEntry
    why: str
    added: bool = False


@dataclass(frozen=True)
class TrackPlan:
    """The runs of a track, entry by entry and seed by seed, and the entries that cannot be run."""

    track: Track
    runs: tuple[PlannedRun, ...]
    refused: tuple[Refused, ...]


def plan(
    track: Track,
    registry: Registry,
    out: Path,
    root: Path,
    device: str,
    added: Sequence[str] = (),
    only: str = "",
    seeds: Sequence[int] = (),
) -> TrackPlan:
    """Plan the runs of a track.

    :param added: specs of components, each of which replaces its slots in the track's base
    :param only: plan only entries whose composition contains this text
    :param seeds: used in place of the track's seeds
    :raises UsageError: if data are missing, an added component does not compose, or no entry is left
    """
    loaded = prepare.load(track.data, registry, root)
    entries = [(entry, False) for entry in track.entries]
    entries += [(with_added(track, component, registry, loaded.dataset.image), True) for component in added]
    chosen = [(entry, new) for entry, new in entries if only in entry.compose]
    if not chosen:
        raise UsageError(f"no entry of track {track.name} contains {only}")
    runs: list[PlannedRun] = []
    refused: list[Refused] = []
    for entry, new in chosen:
        try:
            prepared = _prepared(track, entry, loaded, registry, device)
        except VaebenchError as error:
            refused.append(Refused(entry, str(error), new))
            continue
        for seed in seeds or track.seeds:
            request = msgspec.structs.replace(prepared.request, seed=seed)
            seeded = replace(prepared, request=request)
            runs.append(PlannedRun(entry, seeded, out / request.folder_name, new))
    return TrackPlan(track, tuple(runs), tuple(refused))


def _prepared(
    track: Track, entry: TrackEntry, loaded: prepare.Loaded, registry: Registry, device: str
) -> Prepared:
    """Bring an entry to canonical form; raises UsageError if it does not compose."""
    check_names(parse(entry.compose), registry)
    seed = track.seeds[0]
    composition, model = prepare.build(entry.compose, track.training, seed, loaded.dataset, registry)
    groups = model.latent.groups
    request = track.request(
        entry,
        fitted=composition.stand_in is not None,
        bound_has_k=default_samples(groups) > 1,
    )
    return prepare.settle(request, composition, groups, loaded, registry, device)


def with_added(track: Track, spec: str, registry: Registry, image: ImageShape) -> TrackEntry:
    """The entry that runs a component on a track: its slots replace those of the track's base.

    A slot of the base is kept if it composes with the component and the slots kept before it; the other
    slots are filled by default, as in any composition.

    :raises UsageError: if the component itself does not compose
    """
    component = parse(spec)
    base: Mapping[str, Choice] = parse(track.base).choices if track.base else {}
    own = {slot: _over(base.get(slot), choice) for slot, choice in component.choices.items()}
    check_names(Spec(own), registry)
    resolve(Spec(own), registry, image)  # errors of the component alone are reported without the base
    kept = dict(own)
    for slot, choice in base.items():
        if slot in own:
            continue
        try:
            resolve(Spec({**kept, slot: choice}), registry, image)
        except UsageError:
            continue
        kept[slot] = choice
    return TrackEntry(compose=str(Spec(kept)), why=f"added: {component}")


def _over(base: Choice | None, choice: Choice) -> Choice:
    """Combine two choices: one without a name changes parameters of the base's component."""
    if choice.name is not None or base is None:
        return choice
    return Choice(base.name, {**base.parameters, **choice.parameters})


def answers(record: Record, request: Request, data_checksum: str) -> bool:
    """Whether a record belongs to exactly this request and these data."""
    fit = record.fit.settings if record.fit else None
    # If training diverged, there was no fit to record.
    fitted = fit == request.fitting or (record.status == "diverged" and fit is None)
    return fitted and (
        record.base is None
        and record.composition == request.compose
        and record.data.spec == request.data
        and record.data.checksum == data_checksum
        and record.training == request.training
        and record.scoring == request.scoring
        and record.seed == request.seed
    )


def finished(run: PlannedRun) -> Record | None:
    """The record in a run's folder if it belongs to the run's request; None if the run is not done."""
    folder = RunFolder(run.folder)
    try:
        if folder.record.exists() and folder.request() == run.request:
            return records.read(folder.record)
    except VaebenchError:
        return None  # damaged: the run itself will report it
    return None


def submitted(runs: Iterable[PlannedRun], candidates: Iterable[Record]) -> dict[Path, Record]:
    """Folder -> the record among the candidates that answers its run's request."""
    by_key: dict[tuple[str, str, int], list[Record]] = {}
    for record in candidates:
        by_key.setdefault((record.composition, record.data.spec, record.seed), []).append(record)
    matches: dict[Path, Record] = {}
    for run in runs:
        request = run.request
        for record in by_key.get((request.compose, request.data, request.seed), ()):
            if answers(record, request, run.prepared.data.checksum):
                matches[run.folder] = record
    return matches


@dataclass(frozen=True)
class Earlier:
    """A run as it was requested before some settings existed, and the request of today."""

    run: PlannedRun
    now: Request


def earlier(run: PlannedRun) -> Earlier | None:
    """The run as it was requested before some settings existed; None if nothing has changed."""
    request = as_before(run.request)
    if request == run.request:
        return None
    folder = run.folder.with_name(request.folder_name)
    return Earlier(replace(run, prepared=replace(run.prepared, request=request), folder=folder), run.request)


def words(runs: Iterable[Earlier]) -> list[str]:
    """The settings added since, each with the value that its absence meant, as a track states it."""
    pairs: dict[str, None] = {}
    for old in runs:
        before = old.run.request
        for then, now in ((before.training, old.now.training), (before.fitting, old.now.fitting)):
            for name in then.__struct_fields__ if then is not None else ():
                if (value := getattr(then, name)) != getattr(now, name):
                    pairs[f"{name} = {text(value)}"] = None
    return list(pairs)
