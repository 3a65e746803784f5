"""Residual convolutional encoder."""

from typing import Annotated, ClassVar

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.geometry import halvings
from vaebench.blocks.maps import Conv
from vaebench.blocks.recompute import recomputed
from vaebench.contracts import Encoder, ImageShape, Level, Tags


class Resnet(Encoder):
    """Residual bottlenecks at the image's size and after each halving by average pooling.

    The maps of all sizes form a pyramid.
    """

    offers: ClassVar[Tags] = frozenset({"pyramid"})
    paper = "He et al. 2016; as in Child 2021, sec. 3"

    def __init__(
        self,
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="number of channels of every map")] = 64,
        blocks: Annotated[int, Meta(ge=1, description="number of residual blocks at each size")] = 1,
        bottleneck: Annotated[
            float, Meta(gt=0, le=4, description="inner channels of a block as a share of its outer ones")
        ] = 0.25,
        smallest: Annotated[int, Meta(ge=1, description="longer side at or below which halving stops")] = 2,
    ) -> None:
        super().__init__()
        sizes = halvings(image, smallest)
        self.levels = tuple(Level(width, h, w) for h, w in sizes)
        hidden = max(1, round(width * bottleneck))
        scale = (len(sizes) * blocks) ** -0.5
        self.stem = Conv(image.channels, width, 3)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    Bottleneck(width, hidden, width, residual=True, spatial=min(size) > 2, last_scale=scale)
                    for _ in range(blocks)
                )
            )
            for size in sizes
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        h = self.stem(x)
        maps: list[Tensor] = []
        for stage in self.stages:
            if maps:
                h = F.avg_pool2d(h, 2, ceil_mode=True, count_include_pad=False)
            h = recomputed(self.recompute, stage, h)
            maps.append(h)
        return tuple(maps)
