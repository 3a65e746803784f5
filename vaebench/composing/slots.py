"""The slots of a composition: the one table from which everything that goes by slot is made.

A slot's part is built from what was built before it. To add a slot, add a line here, its kind to
``vaebench.hookspecs``, its base class to ``vaebench.contracts``, and its place to ``vaebench.model.Vae``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a composition."""

    name: str
    """What stands before ``=`` in the text of a composition."""
    kind: str
    """The kind of component that it takes, and the parameter of the model that receives the part."""
    given: Callable[[Mapping[str, Any], Any], tuple[Any, ...]]
    """The parts built before (by slot) and the image's shape -> positional arguments of the constructor."""
    plain: tuple[str, ...]
    """The simplest built-in components, which stand around a part whose laws are tried."""


TABLE: Final = (
    Slot("enc", "encoder", lambda parts, image: (image,), ("conv", "mlp")),
    Slot("latent", "latent", lambda parts, image: (parts["enc"].levels, image), ("gaussian",)),
    Slot("prior", "prior", lambda parts, image: (parts["latent"].groups, image), ("normal", "uniform")),
    Slot("dec", "decoder", lambda parts, image: (parts["latent"].out, image), ("mlp", "conv")),
    Slot("lik", "likelihood", lambda parts, image: (image,), ("bernoulli", "logistic")),
    Slot("obj", "objective", lambda parts, image: (parts["latent"].groups, image), ("elbo",)),
)

SLOTS: Final[Mapping[str, str]] = MappingProxyType({slot.name: slot.kind for slot in TABLE})
"""Each slot, in canonical order, and the kind of component that it takes."""
