"""A track -> its runs: every entry and seed as a canonical request, and what is there already."""

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
from vaebench.requests.tracks import Entry, Track
from vaebench.run import prepare
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import Prepared


@dataclass(frozen=True)
class PlannedRun:
    """One entry with one seed, and the folder that it is run in."""

    entry: Entry
    prepared: Prepared
    folder: Path
    added: bool = False

    @property
    def request(self) -> Request:
        """What the folder is a run of, in canonical form."""
        return self.prepared.request


@dataclass(frozen=True)
class Refused:
    """An entry that cannot be run here, and why: a part that is not installed, say."""

    entry: Entry
    why: str
    added: bool = False


@dataclass(frozen=True)
class TrackPlan:
    """The runs of a track, entry by entry and seed by seed, and the entries that have none."""

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
    """Every run of a track that was asked for.

    :param added: specs of components that take their slots in the track's base
    :param only: a text that an entry's composition has to contain
    :param seeds: in place of the track's
    :raises UsageError: for data that are not there, an added component that does not compose, no entries
    """
    loaded = prepare.load(track.data, registry, root)
    entries = [(entry, False) for entry in track.entries]
    entries += [(with_added(track, said, registry, loaded.dataset.image), True) for said in added]
    chosen = [(entry, new) for entry, new in entries if only in entry.compose]
    if not chosen:
        raise UsageError(f"no entry of {track.name} contains {only}")
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
    track: Track, entry: Entry, loaded: prepare.Loaded, registry: Registry, device: str
) -> Prepared:
    """An entry in canonical form; UsageError where it does not compose."""
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


def with_added(track: Track, said: str, registry: Registry, image: ImageShape) -> Entry:
    """The entry of a component that is put through a track: its slots over the base's, as far as they fit.

    A slot of the base is kept where it composes with the component and the slots kept before it; the others
    get what fits, as in any composition.

    :raises UsageError: where the component itself does not compose
    """
    component = parse(said)
    base: Mapping[str, Choice] = parse(track.base).choices if track.base else {}
    own = {slot: _over(base.get(slot), choice) for slot, choice in component.choices.items()}
    check_names(Spec(own), registry)
    resolve(Spec(own), registry, image)  # what is wrong with the component alone is said of it alone
    kept = dict(own)
    for slot, choice in base.items():
        if slot in own:
            continue
        try:
            resolve(Spec({**kept, slot: choice}), registry, image)
        except UsageError:
            continue
        kept[slot] = choice
    return Entry(compose=str(Spec(kept)), why=f"added: {component}")


def _over(base: Choice | None, choice: Choice) -> Choice:
    """A choice without a name changes parameters of the base's part."""
    if choice.name is not None or base is None:
        return choice
    return Choice(base.name, {**base.parameters, **choice.parameters})


def answers(record: Record, request: Request, data_checksum: str) -> bool:
    """Whether a record is of just this request, on just these data."""
    fit = record.fit.settings if record.fit else None
    # Where training diverged there was no fit to record.
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
    """The record in a run's own folder, where it answers the run's request; None where it is to be run."""
    folder = RunFolder(run.folder)
    try:
        if folder.record.exists() and folder.request() == run.request:
            return records.read(folder.record)
    except VaebenchError:
        return None  # damaged: the run itself will say so
    return None


def submitted(runs: Iterable[PlannedRun], found: Iterable[Record]) -> dict[Path, Record]:
    """Folder -> the record among those found that answers its run's request."""
    by_key: dict[tuple[str, str, int], list[Record]] = {}
    for record in found:
        by_key.setdefault((record.composition, record.data.spec, record.seed), []).append(record)
    there: dict[Path, Record] = {}
    for run in runs:
        asked = run.request
        for record in by_key.get((asked.compose, asked.data, asked.seed), ()):
            if answers(record, asked, run.prepared.data.checksum):
                there[run.folder] = record
    return there


@dataclass(frozen=True)
class Earlier:
    """A run as it was asked for before some settings came, and the request of today."""

    run: PlannedRun
    now: Request


def earlier(run: PlannedRun) -> Earlier | None:
    """The run as it was asked for before some settings came; None where that is the same."""
    request = as_before(run.request)
    if request == run.request:
        return None
    folder = run.folder.with_name(request.folder_name)
    return Earlier(replace(run, prepared=replace(run.prepared, request=request), folder=folder), run.request)


def words(runs: Iterable[Earlier]) -> list[str]:
    """The settings that came since, each with what its absence meant, as a track writes it."""
    pairs: dict[str, None] = {}
    for one in runs:
        before = one.run.request
        for then, now in ((before.training, one.now.training), (before.fitting, one.now.fitting)):
            for name in then.__struct_fields__ if then is not None else ():
                if (value := getattr(then, name)) != getattr(now, name):
                    pairs[f"{name} = {text(value)}"] = None
    return list(pairs)
