"""No encoder, for models without latents."""

from typing import ClassVar

from torch import Tensor

from vaebench.contracts import Encoder, ImageShape, Level, Tags


class NoEncoder(Encoder):
    """No encoder, for models without latents: there are no features."""

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"nothing"})}
    offers: ClassVar[Tags] = frozenset({"nothing"})
    suggests: ClassVar[dict[str, str]] = {"latent": "none"}

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.levels: tuple[Level, ...] = ()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return ()
