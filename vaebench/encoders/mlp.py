"""Fully connected encoder."""

from itertools import pairwise
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Encoder, ImageShape, Level


class Mlp(Encoder):
    """Fully connected layers with LeakyReLU(0.2) from the flattened pixels to one vector."""

    suggests: ClassVar[dict[str, str]] = {"latent": "gaussian"}
    paper = "Kingma & Welling 2014, app. C"

    def __init__(
        self,
        image: ImageShape,
        *,
        hidden: Annotated[int, Meta(ge=1, description="number of units in each layer")] = 400,
        layers: Annotated[int, Meta(ge=1, le=50, description="number of fully connected layers")] = 2,
    ) -> None:
        super().__init__()
        self.image = image
        self.levels = (Level(hidden, 1, 1),)
        self.net = nn.Sequential(nn.Flatten())
        for inputs, outputs in pairwise([image.dims] + [hidden] * layers):
            self.net.extend([nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.net(x)[:, :, None, None],)
