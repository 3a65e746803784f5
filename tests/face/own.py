"""Classes that no plugin registers, in a module."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Encoder, ImageShape, Level, Tags


class MyEncoder(Encoder):
    """A linear map."""

    offers: ClassVar[Tags] = frozenset({"single"})

    def __init__(
        self, image: ImageShape, *, width: Annotated[int, Meta(ge=1, description="width")] = 5
    ) -> None:
        super().__init__()
        self.levels = (Level(width, 1, 1),)
        self.linear = nn.Linear(image.dims, width)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (torch.tanh(self.linear(x.flatten(1)))[:, :, None, None],)


class Unannotated(MyEncoder):
    """Its parameter has no type."""

    def __init__(self, image: ImageShape, *, width=5) -> None:  # type: ignore[no-untyped-def]
        super().__init__(image, width=width)


class Abstract(Encoder):
    """It lacks ``forward``."""


class NeedsNonsense(MyEncoder):
    """It needs a slot that there is not."""

    needs: ClassVar[dict[str, Tags]] = {"decoder": frozenset({"real"})}


class NeedsCodes(MyEncoder):
    """It fits no latent layer of reals."""

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"codes"})}
