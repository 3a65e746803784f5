"""Strided convolutional encoder."""

from typing import Annotated, ClassVar

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.geometry import halvings
from vaebench.contracts import Encoder, ImageShape, Level, Tags


class Conv(Encoder):
    """3x3 convolutions with GELU: one at the image's size, a strided and a plain one at each halving.

    The maps of all sizes form a pyramid.
    """

    offers: ClassVar[Tags] = frozenset({"pyramid"})

    def __init__(
        self,
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="number of channels of every map")] = 64,
        smallest: Annotated[int, Meta(ge=1, description="longer side at or below which halving stops")] = 4,
    ) -> None:
        super().__init__()
        sizes = halvings(image, smallest)
        self.levels = tuple(Level(width, h, w) for h, w in sizes)
        self.stem = nn.Conv2d(image.channels, width, 3, padding=1)
        self.down = nn.ModuleList(nn.Conv2d(width, width, 3, stride=2, padding=1) for _ in sizes[1:])
        self.plain = nn.ModuleList(nn.Conv2d(width, width, 3, padding=1) for _ in sizes[1:])

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        maps = [F.gelu(self.stem(x))]
        for down, plain in zip(self.down, self.plain, strict=True):
            maps.append(F.gelu(plain(F.gelu(down(maps[-1])))))
        return tuple(maps)
