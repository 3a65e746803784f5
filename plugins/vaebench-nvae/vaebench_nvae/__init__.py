"""The Nouveau VAE (Vahdat & Kautz 2020) as components for vaebench: ``enc=nvae,latent=nvae,dec=nvae``."""

from vaebench.hookspecs import Entry, hookimpl

VAEBENCH_INTERFACE = 1


@hookimpl
def vaebench_components() -> list[Entry]:
    """Offer the components of this package."""
    return [
        Entry("encoder", "nvae", "vaebench_nvae.encoder:Nvae", "NVAE's bottom-up path, one map per group"),
        Entry("latent", "nvae", "vaebench_nvae.latent:Nvae", "NVAE's top-down groups, residual normals"),
        Entry("decoder", "nvae", "vaebench_nvae.decoder:Nvae", "NVAE's enlarging residual cells"),
    ]
