"""Fully connected decoder."""

import math
from itertools import pairwise
from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Decoder, ImageShape, Level, Likelihood


class Mlp(Decoder):
    """The finest latent features, flattened, through fully connected layers with LeakyReLU(0.2)."""

    paper = "Kingma & Welling 2014, app. C"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        hidden: Annotated[int, Meta(ge=1, description="units in each layer")] = 400,
        layers: Annotated[int, Meta(ge=1, le=50, description="fully connected layers")] = 2,
    ) -> None:
        super().__init__()
        self.image = image
        self.width = hidden
        channels, height, width = levels[0]
        self.net = nn.Sequential(nn.Flatten())
        for inputs, outputs in pairwise([channels * height * width] + [hidden] * layers):
            self.net.extend([nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)])

    def head(self, likelihood: Likelihood) -> nn.Module:
        """A linear layer to every pixel: this decoder ends in a vector."""
        size = (likelihood.channels, self.image.height, self.image.width)
        return nn.Sequential(nn.Flatten(), nn.Linear(self.width, math.prod(size)), nn.Unflatten(1, size))

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        """(B, hidden, 1, 1)."""
        return self.net(features[0])[:, :, None, None]
