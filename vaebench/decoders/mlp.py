"""Fully connected decoder."""

import math
from itertools import pairwise
from typing import Annotated

from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Decoder, ImageShape, Level, Likelihood


class Mlp(Decoder):
    """Fully connected layers with LeakyReLU(0.2) on the flattened finest latent features.

    The map is (B, hidden, 1, 1), and the head a linear layer to every pixel.
    """

    paper = "Kingma & Welling 2014, app. C"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        hidden: Annotated[int, Meta(ge=1, description="number of units in each layer")] = 400,
        layers: Annotated[int, Meta(ge=1, le=50, description="number of fully connected layers")] = 2,
    ) -> None:
        super().__init__()
        self.image = image
        self.width = hidden
        channels, height, width = levels[0]
        self.net = nn.Sequential(nn.Flatten())
        for inputs, outputs in pairwise([channels * height * width] + [hidden] * layers):
            self.net.extend([nn.Linear(inputs, outputs), nn.LeakyReLU(0.2)])

    def head(self, likelihood: Likelihood) -> nn.Module:
        """Build a linear layer from the vector to every pixel's parameters."""
        size = (likelihood.channels, self.image.height, self.image.width)
        return nn.Sequential(nn.Flatten(), nn.Linear(self.width, math.prod(size)), nn.Unflatten(1, size))

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        """Compute the vector (B, hidden, 1, 1)."""
        return self.net(features[0])[:, :, None, None]
