"""Finite scalar quantisation for vaebench."""

from vaebench.hookspecs import Entry, hookimpl

VAEBENCH_INTERFACE = 1


@hookimpl
def vaebench_components() -> list[Entry]:
    """Offer the components of this package."""
    return [
        Entry("latent", "fsq", "vaebench_fsq.latent:Fsq", "codes from a few bounded and rounded channels")
    ]
