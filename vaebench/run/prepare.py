"""From a request to what can be run: data loaded, parts and settings filled in and checked."""

from dataclasses import dataclass
from pathlib import Path

import msgspec
import torch

from vaebench.blocks.compiled import check_compiler
from vaebench.composing.resolve import Composition, resolve
from vaebench.composing.spec import DataSpec, parse, parse_data
from vaebench.contracts import Dataset
from vaebench.datasets import load as data_room
from vaebench.errors import UsageError
from vaebench.evaluation import scoring
from vaebench.registry import Registry
from vaebench.requests.request import Request
from vaebench.settings import FITTING, Training


@dataclass(frozen=True)
class Prepared:
    """A request whose parts and data are known to be good."""

    request: Request
    composition: Composition
    data: Dataset
    device: torch.device
    root: Path


def device_of(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; UsageError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: this machine has no CUDA device; auto or cpu will do")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def prepare(request: Request, registry: Registry, root: Path, device: str) -> Prepared:
    """Load the data, fill in and check the composition, and put the request in canonical form."""
    data_spec, dataset = data_room.load(parse_data(request.data), registry, root)
    return settle(request, data_spec, dataset, registry, root, device)


def settle(
    request: Request, data_spec: DataSpec, dataset: Dataset, registry: Registry, root: Path, device: str
) -> Prepared:
    """``prepare`` with data that are loaded already, for several requests of the same."""
    composition = resolve(parse(request.compose), registry, dataset.image)
    where = device_of(device)
    training = request.training
    if training.steps is None and training.epochs is None:
        training = msgspec.structs.replace(training, epochs=dataset.epochs)
    if training.lr is None:
        training = msgspec.structs.replace(training, lr=dataset.lr)
    model = composition.build(training)  # a constructor may refuse what it was given
    canonical = Request(
        compose=str(composition.spec),
        data=str(data_spec),
        training=training,
        scoring=scoring.settle(request.scoring, dataset, model.latent.groups, registry, where),
        seed=request.seed,
        fitting=_fitting(request, composition, dataset),
        base=request.base,
    )
    return Prepared(canonical, composition, dataset, where, root)


def _fitting(request: Request, composition: Composition, dataset: Dataset) -> Training | None:
    """How the prior is fitted, the data's budget where none is given; None where it learns with the rest."""
    fitting = request.fitting
    swapped = request.base is not None and request.base.frozen
    if composition.stand_in is None and not swapped:
        if fitting is not None:
            raise UsageError("fit: these settings are for a prior that is fitted after the rest")
        return None
    fitting = fitting or FITTING
    if fitting.steps is None and fitting.epochs is None:
        fitting = msgspec.structs.replace(fitting, epochs=dataset.epochs)
    return fitting


def check_trainable(prepared: Prepared) -> None:
    """UsageError where training asks for what is not installed; a finished run can be opened without."""
    request = prepared.request
    frozen = request.base is not None and request.base.frozen
    asked = (None if frozen else request.training, request.fitting)
    if any(settings is not None and settings.compile for settings in asked):
        check_compiler(prepared.device)


def total_steps(training: Training, images: int) -> int:
    """Optimiser steps of a budget: as given, else epochs · images / batch, rounded up."""
    if training.steps is not None:
        return training.steps
    assert training.epochs is not None
    return max(1, -int(-training.epochs * images // training.batch))
