"""The decoder of the very deep VAE."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.blocks.maps import Conv
from vaebench.contracts import Decoder, ImageShape, Level, Likelihood


class Vdvae(Decoder):
    """gain·h + bias per channel of the finest latent features h, followed by a 1x1 convolution as head.

    It is meant for hierarchies whose finest state has the image's size; smaller ones are enlarged by nearest
    neighbour.
    """

    paper = "Child 2021 (very deep VAE), sec. 3"

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        self.width = levels[0].channels
        self.size = (image.height, image.width)
        self.gain = nn.Parameter(torch.ones(1, self.width, 1, 1))
        self.bias = nn.Parameter(torch.zeros(1, self.width, 1, 1))

    def head(self, likelihood: Likelihood) -> nn.Module:
        return Conv(self.width, likelihood.channels, 1)

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = (features[0] * self.gain).add_(self.bias)  # in the features' memory format
        return h if h.shape[2:] == self.size else F.interpolate(h, size=self.size, mode="nearest")
