"""The interface between vaebench and its plugins: the one file that a plugin's author needs to read.

A plugin is a package with an entry point in the group ``vaebench`` that names a module::

    [project.entry-points.vaebench]
    mine = "vaebench_mine"

The module implements one or both hooks below with ``vaebench.hookspecs.hookimpl``::

    @hookimpl
    def vaebench_components():
        return [Entry("prior", "mine", "vaebench_mine.prior:MinePrior", "a mixture of mine")]

Listing imports no target, so keep heavy imports (torch) out of the module that the entry point names.
The module may declare the version of this interface that it is written for, ``VAEBENCH_INTERFACE = 1``. A
vaebench with another version then refuses the plugin in one line that names its package.

===========  ==============================================  ==================================
kind         what the target must be                         contract
===========  ==============================================  ==================================
encoder      class: image -> pyramid of feature maps         ``vaebench.contracts.Encoder``
latent       class: features -> latent groups                ``vaebench.contracts.Latent``
prior        class: p(z) of the root or of every group       ``vaebench.contracts.Prior``
decoder      class: latent features -> a map at image size   ``vaebench.contracts.Decoder``
likelihood   class: map -> log p(x|z) of integer images      ``vaebench.contracts.Likelihood``
objective    class: per-image terms -> per-image loss        ``vaebench.contracts.Objective``
extractor    function: images -> features for FID and KID    ``vaebench.contracts.Extractor``
dataset      function: root and options -> images            ``vaebench.contracts.Dataset``
===========  ==============================================  ==================================

The parameters of a component are the keyword-only arguments of its constructor (for a data set: of the
function), annotated with a type, a range and a meaning:
``width: Annotated[int, Meta(ge=1, description="...")]`` with ``msgspec.Meta``. ``vaebench show`` and all
checks read them from these annotations.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import pluggy

GROUP = "vaebench"
INTERFACE = 1
"""Version of the hooks below and of ``vaebench.contracts``; a change that breaks plugins raises it."""
SHARED = (
    "vaebench.composing.parameters",
    "vaebench.contracts",
    "vaebench.distributions",
    "vaebench.errors",
    "vaebench.hookspecs",
    "vaebench.images",
    "vaebench.noise",
    "vaebench.registry",
    "vaebench.storage",
    "vaebench.terms",
    "vaebench.text",
)
"""The interface that all components share: modules, and packages with all their modules.

A component's code hash (``vaebench.composing.sources``) does not cover these. It covers everything else that
the component imports from its own package.
"""
COMPONENT_KINDS = ("encoder", "latent", "prior", "decoder", "likelihood", "objective", "extractor")
KINDS = (*COMPONENT_KINDS, "dataset")
UNREGISTERED = "unregistered"
"""The package of what no plugin registers; the names of such components and data sets begin with it."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, slots=True)
class Entry:
    """One component or data set that a plugin offers: its kind, name, target and a short summary."""

    kind: str
    name: str
    target: str
    """``"module:attribute"``, imported when the component is used."""
    summary: str


@hookspec
def vaebench_components() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return the plugin's encoders, latents, priors, decoders, likelihoods, objectives and extractors."""


@hookspec
def vaebench_datasets() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Return the plugin's data sets (entries of kind ``dataset``)."""
