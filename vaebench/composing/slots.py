"""The slots of a composition, in one table that all code about slots uses.

A slot's component is built from the components built before it. To add a slot, add a line here, its kind to
``vaebench.hookspecs``, its base class to ``vaebench.contracts``, and its use to ``vaebench.model.Vae``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot of a composition."""

    name: str
    """The name before ``=`` in the text of a composition."""
    kind: str
    """The kind of its component, and the name of the model's parameter that receives the component."""
    given: Callable[[Mapping[str, Any], Any], tuple[Any, ...]]
    """Components built before (by slot) and image shape -> positional arguments of the constructor."""
    plain: tuple[str, ...]
    """The simplest built-in components, which complete the model when another component is checked."""


TABLE: Final = (
    Slot("enc", "encoder", lambda parts, image: (image,), ("conv", "mlp")),
    Slot("latent", "latent", lambda parts, image: (parts["enc"].levels, image), ("gaussian",)),
    Slot("prior", "prior", lambda parts, image: (parts["latent"].groups, image), ("normal", "uniform")),
    Slot("dec", "decoder", lambda parts, image: (parts["latent"].out, image), ("mlp", "conv")),
    Slot("lik", "likelihood", lambda parts, image: (image,), ("bernoulli", "logistic")),
    Slot("obj", "objective", lambda parts, image: (parts["latent"].groups, image), ("elbo",)),
)

SLOTS: Final[Mapping[str, str]] = MappingProxyType({slot.name: slot.kind for slot in TABLE})
"""Slot -> kind of its component, in canonical order."""
