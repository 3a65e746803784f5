"""What a plugin offers to vaebench: the one file that its author reads.

A plugin is a package with an entry point in the group ``vaebench`` that names a module::

    [project.entry-points.vaebench]
    mine = "vaebench_mine"

The module implements one or both hooks below with ``vaebench.hookspecs.hookimpl``::

    @hookimpl
    def vaebench_components():
        return [Entry("prior", "mine", "vaebench_mine.prior:MinePrior", "a mixture of mine")]

Listing resolves no target, so keep heavy imports (torch) out of the module that the entry point names.
The module may say which version of this interface it is written for, ``VAEBENCH_INTERFACE = 1``; it is then
refused, in one line that names the package, by a vaebench of another.

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

The parameters of a part are the keyword-only arguments of its constructor (of the function, for a data
set), annotated with a type, a range and a meaning: ``width: Annotated[int, Meta(ge=1, description="...")]``
with ``msgspec.Meta``. ``vaebench show`` and all checks read them from there.
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
"""The interface that every part shares: modules, and packages with all that they hold.

No part's code hash covers them (``vaebench.composing.sources``); it covers all else of its own package that a
part imports.
"""
COMPONENT_KINDS = ("encoder", "latent", "prior", "decoder", "likelihood", "objective", "extractor")
KINDS = (*COMPONENT_KINDS, "dataset")
UNREGISTERED = "unregistered"
"""The package of what no plugin registers; the names of such components and data sets begin with it."""

hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a plugin offers: its kind, its name, where it is, and what it is in a few words."""

    kind: str
    name: str
    target: str
    """``"module:attribute"``, imported when the part is used."""
    summary: str


@hookspec
def vaebench_components() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Offer encoders, latents, priors, decoders, likelihoods, objectives and extractors."""


@hookspec
def vaebench_datasets() -> Iterable[Entry]:  # type: ignore[empty-body]
    """Offer data sets (entries of kind ``dataset``)."""
