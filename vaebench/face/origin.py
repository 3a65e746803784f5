"""Where a model comes from: what was asked for, the registry that knows its classes, and its data."""

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from weakref import WeakKeyDictionary, WeakSet

from vaebench.composing.spec import parse_data
from vaebench.contracts import Dataset
from vaebench.datasets import load as datasets
from vaebench.errors import UsageError
from vaebench.face.unregistered import data_set
from vaebench.model import Vae
from vaebench.registry import Registry
from vaebench.requests.recipes import Recipe
from vaebench.run import trace
from vaebench.run.folder import RunFolder
from vaebench.settings import Scoring


@dataclass(frozen=True)
class Origin:
    """What is known of a composed or opened model besides its weights."""

    plan: Recipe
    registry: Registry
    root: Path
    """The folder of data sets."""
    scoring: Scoring = field(default_factory=Scoring)
    initial: str | None = None
    """The hash of the initial weights; None where they are a run's."""
    folder: RunFolder | None = None
    other_data: bool = False
    """Open the run although its data have changed."""
    read: Dataset | None = None
    """The data set, where it has been read."""

    @cached_property
    def data(self) -> Dataset:
        """The data set, read when it is first needed.

        :raises UsageError: where the data are not there
        :raises OtherDataError: where they are not those of the run
        """
        if self.read is not None:
            return self.read
        assert self.plan.data is not None
        _, dataset = datasets.load(self.plan.data, self.registry, self.root)
        if self.folder is not None:
            trace.checked(self.folder, dataset, allow=self.other_data)
        return dataset


_ORIGINS: WeakKeyDictionary[Vae, Origin] = WeakKeyDictionary()
_BEGUN: WeakSet[Vae] = WeakSet()


def remember(model: Vae, origin: Origin, *, begun: bool = False) -> None:
    """Keep the origin of a model as long as the model lives.

    :param begun: its components have seen the training images
    """
    _ORIGINS[model] = origin
    if begun:
        _BEGUN.add(model)


def begins(model: Vae) -> bool:
    """Whether the model's components have yet to see the training images; they have from now on."""
    fresh = model not in _BEGUN
    _BEGUN.add(model)
    return fresh


def origin_of(model: Vae) -> Origin:
    """Where a model comes from.

    :raises UsageError: where it is neither ``vb.compose``'s nor a run's
    """
    if not isinstance(model, Vae):
        raise UsageError(f"a model of vb.compose or a run is expected, not {type(model).__name__}")
    if model not in _ORIGINS:
        raise UsageError("this model is not one of vb.compose, vb.train or vb.load (a copy has no origin)")
    return _ORIGINS[model]


def named(data: str | Dataset, registry: Registry) -> tuple[str, Registry]:
    """The text that names data, and a registry that knows it: images in memory are added to the registry."""
    if isinstance(data, str):
        return data, registry
    if not isinstance(data, Dataset):
        raise UsageError(
            f"data: the name of a data set or a vb.Dataset is expected, not {type(data).__name__}"
        )
    entry = data_set(data)
    return entry.entry.name, registry.with_unregistered([entry])


def dataset_of(data: str | Dataset | None, origin: Origin) -> Dataset:
    """Images that are given, or those of the model."""
    if data is None:
        return origin.data
    text, registry = named(data, origin.registry)
    return datasets.load(parse_data(text), registry, origin.root)[1]


def check_image(model: Vae, dataset: Dataset) -> None:
    """UsageError where a model is made for other images."""
    if dataset.image != model.image:
        ours, theirs = (
            f"{i.channels}x{i.height}x{i.width}, {i.levels} levels" for i in (model.image, dataset.image)
        )
        raise UsageError(f"the model is made for images of {ours}; those of {dataset.name} are {theirs}")
