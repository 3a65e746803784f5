"""The preparation of a run: load the data, check the composition, and build the model, once."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from vaebench.blocks.compiled import check_compiler
from vaebench.composing.resolve import Composition, resolve
from vaebench.composing.spec import DataSpec, parse, parse_data
from vaebench.contracts import Dataset, Group
from vaebench.datasets import load as datasets
from vaebench.errors import UsageError
from vaebench.evaluation import scoring
from vaebench.model import Vae
from vaebench.noise import derived_seed
from vaebench.registry import Registry
from vaebench.requests.request import Request
from vaebench.settings import FITTING, Training
from vaebench.text import one_line


@dataclass(frozen=True)
class Loaded:
    """A data set in memory, its canonical specification, and the folder of data sets."""

    spec: DataSpec
    dataset: Dataset
    root: Path


@dataclass(frozen=True)
class Prepared:
    """A request in canonical form, whose components and data have been checked."""

    request: Request
    composition: Composition
    data: Dataset
    device: torch.device
    root: Path
    registry: Registry


def device_of(name: str) -> torch.device:
    """Return the device of this name; ``auto`` is the GPU if there is one.

    :raises UsageError: for an unknown name, and for ``cuda`` on a machine without a GPU
    """
    if name not in ("auto", "cpu", "cuda"):
        raise UsageError(f"device={one_line(name)}: auto, cpu or cuda is expected")
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: this machine has no CUDA device; use auto or cpu")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def load(data: str, registry: Registry, root: Path) -> Loaded:
    """Load the data set that a specification names.

    :raises UsageError: for an unknown data set, a bad parameter, or missing data
    """
    spec, dataset = datasets.load(parse_data(data), registry, root)
    return Loaded(spec, dataset, root)


def build(
    compose: str, training: Training, seed: int, dataset: Dataset, registry: Registry
) -> tuple[Composition, Vae]:
    """Check a composition and build its model, with the initial weights of a run with this seed.

    :raises UsageError: where the components do not fit each other or the data
    """
    composition = resolve(parse(compose), registry, dataset.image)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derived_seed(seed, "initial weights"))
        return composition, composition.build(training)


def settle(
    request: Request,
    composition: Composition,
    groups: tuple[Group, ...],
    loaded: Loaded,
    registry: Registry,
    device: str,
) -> Prepared:
    """Bring a request into canonical form: fill in every setting that was left open.

    :param groups: the groups of the composition's latent layer
    :raises UsageError: for settings that do not fit the composition or the data
    """
    dataset, where = loaded.dataset, device_of(device)
    training = _with_budget(request.training, dataset)
    if training.lr is None:
        training = msgspec.structs.replace(training, lr=dataset.lr)
    training = _without_idle(training)
    canonical = Request(
        compose=str(composition.spec),
        data=str(loaded.spec),
        training=training,
        scoring=scoring.settle(request.scoring, dataset, groups, registry, where),
        seed=request.seed,
        fitting=_fitting(request, composition, dataset),
        base=request.base,
    )
    return Prepared(canonical, composition, dataset, where, loaded.root, registry)


def prepare(request: Request, registry: Registry, root: Path, device: str) -> tuple[Prepared, Vae]:
    """Load the data, check the composition, and build the model with its initial weights.

    :raises UsageError: where parts of the request do not fit together
    """
    loaded = load(request.data, registry, root)
    composition, model = build(request.compose, request.training, request.seed, loaded.dataset, registry)
    return settle(request, composition, model.latent.groups, loaded, registry, device), model


def _with_budget(settings: Training, dataset: Dataset) -> Training:
    if settings.steps is None and settings.epochs is None:
        return msgspec.structs.replace(settings, epochs=dataset.epochs)
    return settings


def _fitting(request: Request, composition: Composition, dataset: Dataset) -> Training | None:
    """Return the settings of the prior's fit, by default with the data set's budget; None without a fit."""
    if composition.stand_in is None and not request.only_prior:
        if request.fitting is not None:
            raise UsageError(
                "fit: this prior trains with the rest; only a prior fitted afterwards has fit settings"
            )
        return None
    return _without_idle(_with_budget(request.fitting or FITTING, dataset))


def _without_idle(settings: Training) -> Training:
    """Unify settings that have the same effect: without an average, its warm-up does nothing."""
    return settings if settings.ema else msgspec.structs.replace(settings, ema_warmup=False)


def check_trainable(prepared: Prepared) -> None:
    """Check what only training needs; a finished run can be opened without it.

    :raises UsageError: for ``compile=true`` without a compiler
    """
    request = prepared.request
    stages = (None if request.only_prior else request.training, request.fitting)
    if any(settings is not None and settings.compile for settings in stages):
        check_compiler(prepared.device)


def total_steps(training: Training, images: int) -> int:
    """Return the optimiser steps of a budget: as given, else epochs · images / batch, rounded up."""
    if training.steps is not None:
        return training.steps
    assert training.epochs is not None
    return max(1, -int(-training.epochs * images // training.batch))
