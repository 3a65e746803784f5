"""Which runs may be ranked against each other."""

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from vaebench.leaderboard.identity import Run
from vaebench.records import Data, Fid

Value = TypeVar("Value", bound=Hashable)


class FidProtocol(NamedTuple):
    """What FID and KID depend on besides the model."""

    extractor: str
    weights_sha256: str
    features: int
    images: int
    reference: str
    reference_images: int
    temperature: float


class Protocol(NamedTuple):
    """What two runs must share to be ranked against each other."""

    data: Data
    images: int
    """The budget: images seen in training."""
    samples: int | None
    """K of the importance-weighted bound; None where no run depends on it."""
    fid: FidProtocol | None
    """None where no run measured it."""


@dataclass(frozen=True, slots=True)
class Section:
    """Runs that share a protocol."""

    protocol: Protocol
    runs: tuple[Run, ...]


def sections(runs: Sequence[Run]) -> list[Section]:
    """The runs by protocol, the section of most runs first.

    What does not bind a run to a protocol does not part it from the others: a two-part or exact bound has no
    K, a run without FID no extractor. Such a run goes with the most runs that are alike in all else.
    """
    alike = [(run.record.data, budget) for run, budget in zip(runs, _budgets(runs), strict=True)]
    own_fids = [_fid_protocol(run) for run in runs]
    samples = _settle(
        [_samples(run) for run in runs],
        [((at, fid), (at,)) for at, fid in zip(alike, own_fids, strict=True)],
    )
    fids = _settle(
        own_fids,
        [((at, k, run.recipe), (at, k)) for at, k, run in zip(alike, samples, runs, strict=True)],
    )
    found: defaultdict[Protocol, list[Run]] = defaultdict(list)
    for run, at, k, fid in zip(runs, alike, samples, fids, strict=True):
        found[Protocol(*at, k, fid)].append(run)
    return [
        Section(protocol, tuple(members))
        for protocol, members in sorted(found.items(), key=lambda item: (-len(item[1]), repr(item[0])))
    ]


def _samples(run: Run) -> int | None:
    likelihood = run.scores.likelihood
    return likelihood.samples if likelihood.bound == "iwae" else None


def _fid_protocol(run: Run) -> FidProtocol | None:
    fid = run.scores.fid
    if not isinstance(fid, Fid):
        return None
    return FidProtocol(
        extractor=fid.extractor,
        weights_sha256=fid.weights_sha256,
        features=fid.features,
        images=fid.images,
        reference=fid.reference,
        reference_images=fid.reference_images,
        temperature=fid.temperature,
    )


def _budgets(runs: Sequence[Run]) -> list[int]:
    """Each run's budget in images.

    A run that stopped early (patience) was allowed more than it saw: it counts under the smallest budget that
    covers what it and its other seeds saw; where none does, under the largest number of images seen.
    """
    spent: defaultdict[Data, set[int]] = defaultdict(set)
    reach: defaultdict[tuple[Data, bytes], int] = defaultdict(int)
    for run in runs:
        data, images = run.record.data, run.record.budget.images
        reach[data, run.recipe] = max(reach[data, run.recipe], images)
        if _to_the_end(run):
            spent[data].add(images)
    most: defaultdict[Data, int] = defaultdict(int)
    for (data, _), images in reach.items():
        most[data] = max(most[data], images)
    budgets = {data: sorted(spent[data] | {images}) for data, images in most.items()}

    def budget(run: Run) -> int:
        if _to_the_end(run):
            return run.record.budget.images
        covering = budgets[run.record.data]
        return covering[bisect_left(covering, reach[run.record.data, run.recipe])]

    return [budget(run) for run in runs]


def _to_the_end(run: Run) -> bool:
    return run.record.budget.stopped == "budget"


def _settle(values: Sequence[Value | None], contexts: Sequence[Sequence[Hashable]]) -> list[Value | None]:
    """``values``, each None replaced by the commonest value in the first of its contexts that has one.

    Of equally common values the largest.
    """
    tallies: defaultdict[Hashable, Counter[Any]] = defaultdict(Counter)
    for value, around in zip(values, contexts, strict=True):
        if value is not None:
            for context in around:
                tallies[context][value] += 1
    common: dict[Hashable, Value] = {
        context: max(tally, key=lambda value: (tally[value], value)) for context, tally in tallies.items()
    }
    return [
        value
        if value is not None
        else next((common[context] for context in around if context in common), None)
        for value, around in zip(values, contexts, strict=True)
    ]
