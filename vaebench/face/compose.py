"""``vb.compose``: a checked model from names, tables and classes."""

import os
from pathlib import Path
from typing import Any

from vaebench import registry as installed
from vaebench.composing.spec import parse_data
from vaebench.contracts import Dataset
from vaebench.datasets.load import default_root
from vaebench.datasets.load import load as load_data
from vaebench.face.arguments import path_of, plain, seed_of
from vaebench.face.composition import Slot, read
from vaebench.face.origin import Origin, named, remember
from vaebench.model import Vae
from vaebench.registry import Registry
from vaebench.requests.recipes import Recipe
from vaebench.run import prepare
from vaebench.training.checkpoint import weights_sha256


def compose(
    spec: "str | dict[str, Slot] | None" = None,
    *,
    encoder: Slot | None = None,
    latent: Slot | None = None,
    prior: Slot | None = None,
    decoder: Slot | None = None,
    likelihood: Slot | None = None,
    objective: Slot | None = None,
    data: str | Dataset = "digits",
    seed: int = 0,
    data_root: str | os.PathLike[str] | None = None,
    **settings: Any,
) -> Vae:
    """Compose a model for a data set, with the initial weights that a run with this seed has.

    A slot takes a name with parameters behind it (``"topdown,latent.blocks=2x1,4m2"``), a table as in a
    recipe (``{"name": "resnet", "width": 48}``), or a class; a class may stand for the name in a table too. A
    slot that is left open gets a component that fits. The model is a ``torch.nn.Module`` in training mode on
    the CPU; its ``repr`` and ``model.spec`` show the canonical text of the composition.

    A class that no plugin registers has to keep to its contract in ``vaebench.contracts``. Runs with it
    record the hash of its source, go on with the same class only, and are never ranked.

    :param spec: several slots as a text, ``"enc=mlp,latent=gaussian"``, or as a table
    :param data: a data set by name (``"mnist"``, ``"folder:photos,size=32"``) or a ``vb.Dataset`` in memory
    :param seed: random seed of the initial weights; torch's own generator stays as it is
    :param data_root: the folder of data sets; default: ``$VAEBENCH_DATA`` or ``~/.cache/vaebench/data``
    :param settings: settings of training and scoring, as ``vb.train`` takes, that later calls go by
    :raises VaebenchError: in one line, where something does not exist or does not fit

    >>> import vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian", prior="vamp", data="digits")
    >>> model.spec.split(",")[:3]
    ['enc=mlp', 'latent=gaussian', 'prior=vamp']
    >>> model.sample(4).shape
    torch.Size([4, 1, 8, 8])
    """
    slots = {
        "encoder": encoder,
        "latent": latent,
        "prior": prior,
        "decoder": decoder,
        "likelihood": likelihood,
        "objective": objective,
    }
    plan, registry = planned(spec, slots, data, installed.load())
    plan = plan.overridden(compose=None, data=None, seed=seed_of(seed), settings=plain(settings))
    return build(plan, registry, path_of("data_root", data_root) if data_root else default_root())


def planned(
    spec: "str | dict[str, Slot] | None",
    slots: "dict[str, Slot | None]",
    data: str | Dataset,
    registry: Registry,
) -> tuple[Recipe, Registry]:
    """What is asked for, and a registry that knows its classes and its data."""
    composition, registry = read(spec, slots, registry)
    text, registry = named(data, registry)
    return Recipe(compose=composition, data=parse_data(text)), registry


def build(plan: Recipe, registry: Registry, root: Path) -> Vae:
    """The model of a plan, whose names, settings and fit are checked first."""
    plan.check_names(registry)
    assert plan.data is not None
    request = plan.request()
    canonical, dataset = load_data(plan.data, registry, root)
    composition, model = prepare.build(request.compose, request.training, request.seed, dataset, registry)
    settled = Recipe(composition.spec, canonical, request.seed, plan.settings)
    initial = weights_sha256(model.state_dict())
    remember(model, Origin(settled, registry, root, request.scoring, initial, read=dataset))
    return model
