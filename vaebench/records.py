"""One frozen record per run: what was run, how, and what came out <-> JSON."""

import json
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from vaebench.errors import DamagedError
from vaebench.settings import Scoring, Training
from vaebench.storage.later import EVERY, content, decode, later
from vaebench.storage.seal import unseal

VERSION: Literal[1] = 1

Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]


class _Base(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Unknown fields are refused: a record that says more than this version knows is not this version's.

    A new field is marked with ``vaebench.storage.later``, so that older records keep their names.
    """


class PartOrigin(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """Which part sat in a slot, and the distribution package that it came from."""

    name: str
    package: str
    package_version: str
    parameters: dict[str, Any]
    """Every parameter, defaults included."""
    source_sha256: Annotated[Sha256 | None, later(None, since=3)] = None
    """Of the code that it ran (``vaebench.composing.sources``)."""


class Data(_Base, frozen=True, kw_only=True):
    """The data set and its split, as they were in memory."""

    spec: str
    name: str
    channels: int
    height: int
    width: int
    levels: int
    train: int
    validation: int
    test: int
    checksum: Sha256
    binarisation: str | None = None
    earlier: Annotated[tuple[Sha256, ...], later((), since=6)] = ()
    """Checksums of other data on which the run was trained before it went on with these."""


class Estimate(_Base, frozen=True, kw_only=True):
    """A mean over images with its standard error, in nats per image and in bits/dim.

    One image gives no standard error: it is None, which is unknown and not zero.
    """

    nats: float
    nats_se: float | None
    bits_per_dim: float
    bits_per_dim_se: float | None


class Tightness(_Base, frozen=True, kw_only=True):
    """The importance-weighted bound at growing K, on some of the test images."""

    images: int
    samples: tuple[int, ...]
    nll: tuple[Estimate, ...]
    """One for each K of ``samples``, of the same draws."""


class LikelihoodScore(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """The negative log-likelihood of the test split: upper bounds, every image counted."""

    images: int
    bound: Literal["iwae", "two-part", "exact"]
    samples: int
    """K of the importance-weighted bound."""
    exact_prior: bool
    """False where the prior's log-density is itself an estimate."""
    nll: Estimate
    """The K-sample bound: what is ranked."""
    elbo: Estimate
    """−ELBO; rate + distortion."""
    rate: Estimate
    distortion: Estimate
    rate_per_group: dict[str, float]
    """Group -> mean nats per image, root first."""
    active_units: dict[str, int]
    """Group -> units whose posterior mean has variance over images above 0.01; live codes for codes."""
    units: dict[str, int]
    perplexity: Annotated[dict[str, float], later({}, since=2)] = msgspec.field(default_factory=dict)
    """Group of codes -> exp of the entropy of its codes' use over the test images and places: 1 to K."""
    tightness: Annotated[Tightness | None, later(None, since=3)] = None
    """None where it was not asked for, or K changes nothing."""


class Fid(_Base, frozen=True, kw_only=True, tag_field="outcome", tag="measured"):
    """FID and KID of generated images against the training split."""

    extractor: str
    weights_sha256: Sha256
    features: int
    images: int
    """N, the generated images."""
    reference: str
    reference_images: int
    fid: float
    fid_extrapolated: float
    """FID as N goes to infinity, by a line in 1/N (Chong & Forsyth 2020)."""
    kid: float
    kid_se: float | None
    """None where there are too few images for two blocks."""
    few_images: bool
    """N, or the reference, at most the number of features: a covariance is singular and FID far too large."""
    temperature: float


class Missing(_Base, frozen=True, kw_only=True, tag_field="outcome", tag="missing"):
    """A score that was not measured, and why."""

    why: str


class Scores(_Base, frozen=True, kw_only=True):
    """What was measured, each with its provenance."""

    likelihood: LikelihoodScore
    fid: Fid | Missing
    histogram_bits_per_dim: float
    """A per-pixel histogram fitted on the training split (add-one), scored on the same test images."""


class Budget(_Base, frozen=True, kw_only=True):
    """What training spent. ``images`` is what makes runs comparable."""

    images: int
    steps: int
    skipped: int
    train_seconds: float
    images_per_second: float
    score_seconds: float
    peak_memory_mb: float | None
    """None where the system does not tell."""
    parameters: int
    stopped: Literal["budget", "patience", "diverged"]
    best_step: int | None = None


class Fit(_Base, frozen=True, kw_only=True):
    """What fitting a prior after the rest spent, beside the budget."""

    settings: Training
    images: int
    steps: int
    skipped: int
    seconds: float
    stopped: Literal["budget", "patience", "diverged"]
    best_step: int | None = None


class BaseRun(_Base, frozen=True, kw_only=True):
    """The run whose weights this one started from."""

    weights_sha256: Sha256
    command: str
    frozen: bool
    """Only the prior was fitted anew."""
    data_checksum: Annotated[Sha256 | None, later(None, since=6)] = None
    """The checksum of the data on which those weights were trained; None where it is not known."""


class Validation(_Base, frozen=True, kw_only=True):
    """How training stood after so many images and seconds: −ELBO of the validation split, nats per image."""

    images: int
    seconds: float
    nats: float


class Pictures(_Base, frozen=True, kw_only=True):
    """Small PNGs, so that a board needs nothing but records."""

    samples: bytes
    """A row of generated images."""
    reconstructions: bytes
    """Test images and, under them, the means that the model gives their latents."""


class Environment(_Base, frozen=True, kw_only=True):
    """Where it ran."""

    device: str
    platform: str
    python: str
    versions: dict[str, str]
    git: str | None = None


class Record(_Base, frozen=True, kw_only=True):
    """One run."""

    version: Literal[1] = 1
    run: str
    created: str
    """UTC, ISO 8601, when the run ended."""
    status: Literal["ok", "diverged"]
    composition: str
    """Canonical spec: the identity of what was run."""
    parts: dict[str, PartOrigin]
    data: Data
    classes: Annotated[tuple[str, ...], later((), since=6)] = ()
    """The names of the data's classes, by number, where they have names."""
    training: Training
    scoring: Scoring
    seed: int
    scores: Scores | None
    """None where the run diverged."""
    budget: Budget
    fit: Annotated[Fit | None, later(None, since=1)] = None
    base: Annotated[BaseRun | None, later(None, since=1)] = None
    weights_sha256: Sha256 | None = None
    """Of the weights that were scored."""
    validations: Annotated[tuple[Validation, ...], later((), since=3)] = ()
    pictures: Annotated[Pictures | None, later(None, since=3)] = None
    environment: Environment
    went_on: Annotated[tuple[str, ...], later((), since=6)] = ()
    """From which step training went on on another machine, and what of it was another: the weights are then
    not those of an uninterrupted run."""
    command: str
    """What reproduces the run."""


def to_json(record: Record) -> bytes:
    """Indented JSON, keys in the order above; raises ValueError for NaN and infinities, which JSON lacks."""
    text = json.dumps(content(record, EVERY), allow_nan=False, ensure_ascii=False, indent=2)
    return text.encode() + b"\n"


def from_json(text: bytes, source: Path | str) -> Record:
    """The record in ``text``; raises DamagedError, naming ``source``, if it is not one of this version."""
    try:
        return decode(text, Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"{source} is not a record of version {VERSION}: {error}") from None


def read(path: Path) -> Record:
    """The record in a file, sealed (``vaebench.storage.seal``) or not."""
    try:
        text = unseal(path.read_bytes())
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from None
    return from_json(text, path)
