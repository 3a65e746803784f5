"""Convolutional decoder."""

from typing import Annotated

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.growth import Start
from vaebench.contracts import Decoder, ImageShape, Level


class Conv(Decoder):
    """Doubling from the finest latent features to the image's size.

    At each size there are two 3x3 convolutions with GELU.
    """

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="number of channels of every map")] = 64,
    ) -> None:
        super().__init__()
        self.width = width
        self.start = Start(levels[0], image, width)
        self.stages = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(width, width, 3, padding=1),
                nn.GELU(),
                nn.Conv2d(width, width, 3, padding=1),
                nn.GELU(),
            )
            for _ in self.start.sizes
        )

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = F.gelu(self.start(features[0]))
        for size, stage in zip(self.start.sizes, self.stages, strict=True):
            if h.shape[2:] != size:
                h = F.interpolate(h, size=size, mode="nearest")
            h = stage(h)
        return h
