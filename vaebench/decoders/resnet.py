"""Residual convolutional decoder."""

from typing import Annotated

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.growth import Start
from vaebench.blocks.recompute import recomputed
from vaebench.contracts import Decoder, ImageShape, Level


class Resnet(Decoder):
    """Doubling from the finest latent features to the image's size; residual bottlenecks at each size."""

    paper = "He et al. 2016; as in Child 2021, sec. 3"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="number of channels of every map")] = 64,
        blocks: Annotated[int, Meta(ge=1, description="number of residual blocks at each size")] = 1,
        bottleneck: Annotated[
            float, Meta(gt=0, le=4, description="inner channels of a block as a share of its outer ones")
        ] = 0.25,
    ) -> None:
        super().__init__()
        self.width = width
        self.start = Start(levels[0], image, width)
        hidden = max(1, round(width * bottleneck))
        scale = (len(self.start.sizes) * blocks) ** -0.5
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Bottleneck(width, hidden, width, residual=True, spatial=min(size) > 2, last_scale=scale)
                    for _ in range(blocks)
                )
            )
            for size in self.start.sizes
        )

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = self.start(features[0])
        for size, stage in zip(self.start.sizes, self.stages, strict=True):
            if h.shape[2:] != size:
                h = F.interpolate(h, size=size, mode="nearest")
            h = recomputed(self.recompute, stage, h)
        return h
