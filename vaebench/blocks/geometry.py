"""Sizes of feature maps between an image and a vector."""

import torch.nn.functional as F
from torch import Tensor

from vaebench.contracts import ImageShape

Size = tuple[int, int]


def halvings(image: ImageShape, smallest: int) -> tuple[Size, ...]:
    """List (H, W) of the image and its halvings, rounded up, until no side exceeds ``smallest``."""
    sizes = [(image.height, image.width)]
    while max(sizes[-1]) > smallest:
        sizes.append((-(-sizes[-1][0] // 2), -(-sizes[-1][1] // 2)))
    return tuple(sizes)


def fit_channels(x: Tensor, channels: int) -> Tensor:
    """Crop or zero-pad the channels of a map (B, C, H, W)."""
    missing = channels - x.shape[1]
    return x[:, :channels] if missing <= 0 else F.pad(x, (0, 0, 0, 0, 0, missing))
