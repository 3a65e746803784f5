"""``vb.train``: a run from Python, recorded and resumable as the command's."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from vaebench import registry as installed
from vaebench.composing.spec import parse_data
from vaebench.contracts import Dataset
from vaebench.datasets.load import default_root
from vaebench.errors import UsageError
from vaebench.face.arguments import path_of, plain, seed_of
from vaebench.face.compose import planned
from vaebench.face.composition import Slot
from vaebench.face.generator import kept
from vaebench.face.load import opened, origin_of_run
from vaebench.face.origin import named, origin_of, remember
from vaebench.face.refusals import refuse_other_classes, refuse_other_weights
from vaebench.face.reporting import Progress, reporting
from vaebench.face.run import Run
from vaebench.model import Vae
from vaebench.registry import Registry
from vaebench.requests import recipes
from vaebench.requests.recipes import Recipe
from vaebench.run import start
from vaebench.run.folder import RunFolder
from vaebench.run.perform import Place, perform
from vaebench.run.prepare import device_of
from vaebench.training import checkpoint


def train(
    model: "Vae | Run | str | dict[str, Slot]",
    *,
    data: str | Dataset | None = None,
    epochs: float | None = None,
    steps: int | None = None,
    seed: int | None = None,
    out: str | os.PathLike[str] | None = None,
    resume: bool = False,
    device: str = "auto",
    data_root: str | os.PathLike[str] | None = None,
    other_data: bool = False,
    progress: Progress = "auto",
    **settings: Any,
) -> Run:
    """Train, score and record: the run that ``vaebench run`` performs, in a folder that holds all of it.

    An interrupted run goes on with ``resume=True``; a finished one is then returned as it is. A model that is
    given holds the trained weights afterwards and is in evaluation mode; it must have its initial weights, as
    a run is a function of what is recorded.

    :param model: a model of ``vb.compose``, a composition as text or table, or a run whose weights training
        starts from
    :param data: a data set by name or a ``vb.Dataset``; default: the model's own, else ``digits``
    :param epochs: passes over the training split; default, without ``steps``: the data's own budget
    :param steps: optimiser steps
    :param seed: random seed of weights, order and noise; default: the model's own, else 0
    :param resume: go on where an interrupted run stopped
    :param out: the run's folder; default: one under ``runs/`` that is named by what was asked
    :param device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``
    :param data_root: the folder of data sets; default: the model's own
    :param other_data: go on although the data have changed; the record tells both checksums
    :param progress: ``auto`` (a bar or lines), ``json``, ``off``, or a reporter of your own
    :param settings: settings of training and scoring, as ``lr=1e-3``; those of fitting a prior in a table,
        ``fit={"epochs": 10}``
    :raises VaebenchError: in one line, where something does not exist or does not fit, the folder holds
        another run, or training diverges

    >>> import vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian,lik=categorical")
    >>> run = vb.train(model, steps=2, samples=1, extractor="off", progress="off", out="runs/two")
    >>> run.record.budget.steps, run.model is model
    (2, True)
    """
    given = _settings(plain(settings), plain(epochs), plain(steps))
    seed = None if seed is None else seed_of(seed)
    plan, registry, root = _asked(model, data)
    if isinstance(model, Vae):
        refuse_other_weights(model, plan, data, seed, given)
    if data is not None:
        text, registry = named(data, registry)
        plan = replace(plan, data=parse_data(text))
    plan = plan.overridden(compose=None, data=None, seed=seed, settings=given)
    plan.check_names(registry)
    request, base = plan.request(), model.folder if isinstance(model, Run) else None
    if base is not None:
        request = msgspec.structs.replace(request, base=start.base_of(base, frozen=False))
    root = path_of("data_root", data_root) if data_root else root
    place = Place(root, device, path_of("out", out) if out else None, resume, other_data, given.keys())
    if place.out is not None:
        refuse_other_classes(request, RunFolder(place.out))
    with kept(device_of(device)), reporting(progress) as shown:
        folder, _ = perform(request, registry, place, shown, base)
    if isinstance(model, Vae):
        return _held(model, folder, registry, place)
    return opened(folder, registry, root, device, other_data=other_data)


def _settings(settings: dict[str, Any], epochs: float | None, steps: int | None) -> dict[str, Any]:
    """All settings by the names that recipes check them by."""
    fit = settings.pop("fit", None) or {}
    if not isinstance(fit, dict):
        raise UsageError('fit: a table of settings is expected, as in fit={"epochs": 10}')
    given = settings | {f"fit.{name}": value for name, value in fit.items()}
    return given | {n: v for n, v in (("steps", steps), ("epochs", epochs)) if v is not None}


def _asked(
    model: "Vae | Run | str | dict[str, Slot]", data: str | Dataset | None
) -> tuple[Recipe, Registry, Path]:
    """What a model, a run or a composition asks for by itself."""
    if isinstance(model, Vae):
        origin = origin_of(model)
        return origin.plan, origin.registry, origin.root
    if isinstance(model, Run):
        return recipes.of_run(model.request), model.origin.registry, model.origin.root
    plan, registry = planned(model, {}, "digits" if data is None else data, installed.load())
    return plan, registry, default_root()


def _held(model: Vae, folder: RunFolder, registry: Registry, place: Place) -> Run:
    """The run of a model that was given, which gets the weights that the run ended with."""
    start.take(model, checkpoint.load_weights(folder.weights), folder.weights)
    model.to(device_of(place.device)).eval()
    origin = origin_of_run(folder, registry, place.root, other_data=place.other_data)
    remember(model, origin, begun=True)
    return Run(folder, model, origin)
