"""The record of a run as frozen structs, and its JSON: what was run, how, and the results."""

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
    """The base of all tables of a record; it refuses unknown fields, which belong to a newer version.

    A new field is marked with ``vaebench.storage.later``, so that older records keep their names.
    """


class PartOrigin(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """The component in a slot and the distribution package that provides it."""

    name: str
    package: str
    package_version: str
    parameters: dict[str, Any]
    """All parameters, including defaults."""
    source_sha256: Annotated[Sha256 | None, later(None, since=3)] = None
    """SHA-256 of the code that the component ran (``vaebench.composing.sources``)."""


class Data(_Base, frozen=True, kw_only=True):
    """The data set and its splits as they were in memory."""

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
    """Checksums of other data on which the run was trained before it continued with these."""


class Estimate(_Base, frozen=True, kw_only=True):
    """A mean over images with its standard error, in nats per image and in bits/dim.

    With one image the standard error is None: it is unknown, not zero.
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
    """One estimate for each K of ``samples``, all from the same draws."""


class LikelihoodScore(_Base, frozen=True, kw_only=True, omit_defaults=True):
    """Upper bounds on the negative log-likelihood of the test split; every image counts."""

    images: int
    bound: Literal["iwae", "two-part", "exact"]
    samples: int
    """K of the importance-weighted bound."""
    exact_prior: bool
    """False where the prior's log-density is itself an estimate."""
    nll: Estimate
    """The K-sample bound; the leaderboard ranks this number."""
    elbo: Estimate
    """−ELBO = rate + distortion."""
    rate: Estimate
    distortion: Estimate
    rate_per_group: dict[str, float]
    """Group -> mean nats per image, root first."""
    active_units: dict[str, int]
    """Group -> number of units whose posterior mean has a variance over images above 0.01; for codes, the
    number of codes in use."""
    units: dict[str, int]
    perplexity: Annotated[dict[str, float], later({}, since=2)] = msgspec.field(default_factory=dict)
    """Group of codes -> exp(entropy) of the codes' frequencies over test images and positions: 1 to K."""
    tightness: Annotated[Tightness | None, later(None, since=3)] = None
    """None where it was not requested, or the bound does not depend on K."""


class Fid(_Base, frozen=True, kw_only=True, tag_field="outcome", tag="measured"):
    """FID and KID of generated images against the training split."""

    extractor: str
    weights_sha256: Sha256
    features: int
    images: int
    """N, the number of generated images."""
    reference: str
    reference_images: int
    fid: float
    fid_extrapolated: float
    """FID extrapolated to infinite N by a line in 1/N (Chong & Forsyth 2020)."""
    kid: float
    kid_se: float | None
    """None where there are too few images for two blocks."""
    few_images: bool
    """N or the reference is not larger than the number of features: FID is then far too large, because a
    covariance is singular."""
    temperature: float


class Missing(_Base, frozen=True, kw_only=True, tag_field="outcome", tag="missing"):
    """A score that was not measured, and the reason."""

    why: str


class Scores(_Base, frozen=True, kw_only=True):
    """The measured scores, each with its provenance."""

    likelihood: LikelihoodScore
    fid: Fid | Missing
    histogram_bits_per_dim: float
    """Bits/dim on the same test images of a per-pixel histogram fitted to the training split (add-one)."""


class Budget(_Base, frozen=True, kw_only=True):
    """The cost of training. Runs with the same ``images`` are comparable."""

    images: int
    steps: int
    skipped: int
    train_seconds: float
    images_per_second: float
    score_seconds: float
    peak_memory_mb: float | None
    """None where the system does not report it."""
    parameters: int
    stopped: Literal["budget", "patience", "diverged"]
    best_step: int | None = None


class Fit(_Base, frozen=True, kw_only=True):
    """The cost of fitting a prior after the rest, in addition to the budget."""

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
    """Whether only the prior was fitted, with everything else frozen."""
    data_checksum: Annotated[Sha256 | None, later(None, since=6)] = None
    """The checksum of the data on which those weights were trained; None where it is unknown."""


class Validation(_Base, frozen=True, kw_only=True):
    """The −ELBO of the validation split, in nats per image, after some images and seconds of training."""

    images: int
    seconds: float
    nats: float


class Pictures(_Base, frozen=True, kw_only=True):
    """Small PNGs, so that a leaderboard can be made from records alone."""

    samples: bytes
    """A row of generated images."""
    reconstructions: bytes
    """Test images, each above its reconstruction."""


class Environment(_Base, frozen=True, kw_only=True):
    """The machine and software of the run."""

    device: str
    platform: str
    python: str
    versions: dict[str, str]
    git: str | None = None


class Record(_Base, frozen=True, kw_only=True):
    """The record of one run."""

    version: Literal[1] = 1
    run: str
    created: str
    """UTC, ISO 8601, when the run ended."""
    status: Literal["ok", "diverged"]
    composition: str
    """The canonical text of the composition, which identifies it."""
    parts: dict[str, PartOrigin]
    data: Data
    classes: Annotated[tuple[str, ...], later((), since=6)] = ()
    """The names of the data set's classes, by number, where they have names."""
    training: Training
    scoring: Scoring
    seed: int
    scores: Scores | None
    """None where the run diverged."""
    budget: Budget
    fit: Annotated[Fit | None, later(None, since=1)] = None
    base: Annotated[BaseRun | None, later(None, since=1)] = None
    weights_sha256: Sha256 | None = None
    """SHA-256 of the weights that were scored."""
    validations: Annotated[tuple[Validation, ...], later((), since=3)] = ()
    pictures: Annotated[Pictures | None, later(None, since=3)] = None
    environment: Environment
    went_on: Annotated[tuple[str, ...], later((), since=6)] = ()
    """The steps at which training continued on another machine, and how the machines differ: the weights then
    differ from those of an uninterrupted run."""
    command: str
    """The command that reproduces the run."""


def to_json(record: Record) -> bytes:
    """Encode a record as indented JSON, with the keys in the order above.

    :raises ValueError: for NaN and infinities, which JSON lacks
    """
    text = json.dumps(content(record, EVERY), allow_nan=False, ensure_ascii=False, indent=2)
    return text.encode() + b"\n"


def from_json(text: bytes, source: Path | str) -> Record:
    """Decode the record in ``text``.

    :param source: the file of the text, for the message
    :raises DamagedError: where the text is not a record of this version
    """
    try:
        return decode(text, Record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise DamagedError(f"{source} is not a record of version {VERSION}: {error}") from None


def read(path: Path) -> Record:
    """Read the record in a file, sealed (``vaebench.storage.seal``) or not.

    :raises DamagedError: where the file cannot be read, has changed, or is not a record
    """
    try:
        text = unseal(path.read_bytes())
    except OSError as error:
        raise DamagedError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise DamagedError(f"{path} is damaged: {error}") from None
    return from_json(text, path)
