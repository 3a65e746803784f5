"""From the latent features to the sizes of a convolutional decoder's maps."""

import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.blocks.geometry import Size, halvings
from vaebench.contracts import ImageShape, Level


class Start(nn.Module):
    """Features of any level to a map (B, width, h, w), where (h, w) is the first of ``sizes``.

    A linear layer maps a vector to the whole map. A map keeps its size where that is one of the image's
    halvings, and is enlarged to the next one otherwise. ``sizes`` lists the sizes up to the image's.
    """

    def __init__(self, level: Level, image: ImageShape, width: int, smallest: int = 4) -> None:
        super().__init__()
        chain = halvings(image, smallest)[::-1]
        self.vector = (level.height, level.width) == (1, 1) and chain[0] != (1, 1)
        first = 0
        if not self.vector:
            fits = (i for i, (h, w) in enumerate(chain) if h >= level.height and w >= level.width)
            first = next(fits, len(chain) - 1)
        self.sizes: tuple[Size, ...] = chain[first:]
        cells = self.sizes[0][0] * self.sizes[0][1] if self.vector else 1
        self.project = nn.Conv2d(level.channels, width * cells, 1)
        self.width = width

    def forward(self, x: Tensor) -> Tensor:
        h = self.project(x)
        if self.vector:
            return h.reshape(len(h), self.width, *self.sizes[0])
        return h if h.shape[2:] == self.sizes[0] else F.interpolate(h, size=self.sizes[0], mode="nearest")
