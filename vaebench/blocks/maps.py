"""Convolutions and GELU of maps, arranged to be fast on CPUs."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEW_PIXELS = 64
"""The map size up to which a matrix product is faster than a 1x1 convolution on CPUs."""


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """Compute ``torch.nn.functional.conv2d``, (B, inputs, H, W) -> (B, outputs, H, W).

    The bias is added afterwards, so that its gradient is a plain sum over the map and not part of the
    convolution's backward pass. A 1x1 convolution of a small map is a matrix product, Σ_c w_oc·x_c at each
    pixel.
    """
    small = x.shape[2] * x.shape[3] <= _FEW_PIXELS and x.device.type == "cpu"
    if small and weight.shape[2:] == (1, 1) and not padding:
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    h = F.conv2d(x, weight, padding=padding)
    return h if bias is None else h.add_(bias[:, None, None])


def gelu(x: Tensor) -> Tensor:
    """Compute x·Φ(x); channels-last maps are passed to torch as contiguous arrays.

    Torch's fast CPU kernel, which takes two thirds of the time, needs contiguous arrays.
    """
    if x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return F.gelu(x)


class Conv(nn.Conv2d):
    """A convolution that keeps the map's size; torch's initial weights, and a bias that starts at zero."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, self.kernel_size[0] // 2)
