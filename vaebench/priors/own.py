"""The latent layer's own prior."""

from typing import ClassVar

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import Distribution


class Own(Prior):
    """The latent layer's own p(z_g | z_<g) of every group, the root included."""

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"own-root"})}
    paper = "Child 2021 (very deep VAE), sec. 3"

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()

    def at(self, group: int, context: Context) -> Distribution | None:
        return None
