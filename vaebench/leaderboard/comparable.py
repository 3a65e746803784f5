"""Which runs may be ranked against each other."""

from collections import Counter, defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple, TypeVar

from vaebench.leaderboard.identity import ScoredRun
from vaebench.records import Data, Fid, Record

Value = TypeVar("Value", bound=Hashable)


class FidProtocol(NamedTuple):
    """What FID and KID depend on, apart from the model."""

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
    """The budget: how many images training was allowed to see."""
    samples: int | None
    """K of the importance-weighted bound; None if no run depends on it."""
    fid: FidProtocol | None
    """None if no run measured FID."""
    start: str | None
    """SHA-256 of the weights that training started from; None from scratch, or if only a prior was fitted."""


@dataclass(frozen=True, slots=True)
class Section:
    """Runs that share a protocol."""

    protocol: Protocol
    runs: tuple[ScoredRun, ...]


def sections(runs: Sequence[ScoredRun]) -> list[Section]:
    """Group runs by protocol, the largest section first.

    A run that lacks part of a protocol (a two-part or exact bound has no K, a run without FID no extractor)
    joins the section with the most runs among those that agree with it in everything else.
    """
    alike = [(run.record.data, _budget(run.record), _start(run.record)) for run in runs]
    own_fids = [_fid_protocol(run) for run in runs]
    samples = _settle(
        [_samples(run) for run in runs],
        [((at, fid), (at,)) for at, fid in zip(alike, own_fids, strict=True)],
    )
    fids = _settle(
        own_fids,
        [((at, k, run.recipe), (at, k)) for at, k, run in zip(alike, samples, runs, strict=True)],
    )
    by_protocol: defaultdict[Protocol, list[ScoredRun]] = defaultdict(list)
    for run, at, k, fid in zip(runs, alike, samples, fids, strict=True):
        data, images, start = at
        by_protocol[Protocol(data, images, k, fid, start)].append(run)
    return [
        Section(protocol, tuple(members))
        for protocol, members in sorted(by_protocol.items(), key=lambda item: (-len(item[1]), repr(item[0])))
    ]


def _start(record: Record) -> str | None:
    return record.base.weights_sha256 if record.base and not record.base.frozen else None


def _samples(run: ScoredRun) -> int | None:
    likelihood = run.scores.likelihood
    return likelihood.samples if likelihood.bound == "iwae" else None


def _fid_protocol(run: ScoredRun) -> FidProtocol | None:
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


def _budget(record: Record) -> int:
    """The images that training was allowed to see, before rounding to whole steps and early stopping."""
    training = record.training
    if training.steps is not None:
        return training.steps * training.batch
    if training.epochs is not None:
        return round(Fraction(training.epochs) * record.data.train)
    return record.budget.images


def _settle(values: Sequence[Value | None], contexts: Sequence[Sequence[Hashable]]) -> list[Value | None]:
    """Replace each None in ``values`` by the most common value in the first of its contexts that has one.

    Among equally common values the largest is taken.
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
