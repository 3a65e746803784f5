"""No prior, for models without latents."""

from typing import ClassVar

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import Distribution


class NoPrior(Prior):
    """No prior, for models without latents."""

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"nothing"})}
    offers: ClassVar[Tags] = frozenset({"nothing"})

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()

    def at(self, group: int, context: Context) -> Distribution | None:
        return None
