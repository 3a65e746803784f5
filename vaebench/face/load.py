"""``vb.load``: open a finished run."""

import os
from collections.abc import Iterable
from pathlib import Path

from vaebench import registry as installed
from vaebench.contracts import Dataset
from vaebench.datasets.load import default_root
from vaebench.face.arguments import path_of
from vaebench.face.origin import Origin, named, remember
from vaebench.face.run import Run
from vaebench.face.unregistered import with_classes
from vaebench.registry import Registry
from vaebench.requests import recipes
from vaebench.run import runner
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import device_of


def load(
    path: str | os.PathLike[str],
    *,
    classes: Iterable[type] = (),
    data: Dataset | None = None,
    device: str = "auto",
    data_root: str | os.PathLike[str] | None = None,
    other_data: bool = False,
) -> Run:
    """Open a finished or imported run.

    :param path: the run's folder
    :param classes: the classes that no plugin registers with which it was trained
    :param data: the images in memory with which it was trained, where no name stands for them
    :param device: ``auto`` (a GPU where there is one), ``cpu`` or ``cuda``
    :param data_root: the folder of data sets; default: ``$VAEBENCH_DATA`` or ``~/.cache/vaebench/data``
    :param other_data: open it although its data have changed since
    :raises VaebenchError: in one line, where the folder holds no finished run, is damaged, or needs a class

    >>> import vaebench as vb
    >>> quick = dict(steps=2, samples=1, extractor="off", progress="off")
    >>> _ = vb.train("enc=mlp,latent=gaussian,lik=categorical", out="runs/small", **quick)
    >>> run = vb.load("runs/small")
    >>> run.sample(16).shape, run.record.budget.steps
    (torch.Size([16, 1, 8, 8]), 2)
    """
    registry = with_classes(installed.load(), classes)
    if data is not None:
        _, registry = named(data, registry)
    folder = RunFolder(path_of("path", path))
    root = path_of("data_root", data_root) if data_root else default_root()
    return opened(folder, registry, root, device, other_data=other_data)


def opened(
    folder: RunFolder, registry: Registry, root: Path, device: str, *, other_data: bool = False
) -> Run:
    """A run and its model, with the weights that it ended with; its data are not read."""
    model = runner.load_model(folder, registry).to(device_of(device)).eval()
    origin = origin_of_run(folder, registry, root, other_data=other_data)
    remember(model, origin, begun=True)
    return Run(folder, model, origin)


def origin_of_run(folder: RunFolder, registry: Registry, root: Path, *, other_data: bool) -> Origin:
    """What is known of a run's model."""
    request = folder.request()
    return Origin(recipes.of_run(request), registry, root, request.scoring, None, folder, other_data)
