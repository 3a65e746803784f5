"""Strided convolutional encoder."""

from typing import Annotated, ClassVar

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.geometry import halvings
from vaebench.contracts import Encoder, ImageShape, Level, Tags


class Conv(Encoder):
    """A 3x3 convolution, then per halving a strided and a plain one, with GELU; a pyramid of maps."""

    offers: ClassVar[Tags] = frozenset({"pyramid"})

    def __init__(
        self,
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="channels of every map")] = 64,
        smallest: Annotated[int, Meta(ge=1, description="halve until the longer side is at most this")] = 4,
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
