"""Convolutions and GELU of maps, in the order of operations that processors are quick at."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_FEW_PIXELS = 64
"""Of a map: up to these a 1x1 convolution takes processors longer to set up than the matrix product takes."""


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, padding: int = 0) -> Tensor:
    """``torch.nn.functional.conv2d``, (B, inputs, H, W) -> (B, outputs, H, W).

    The bias is added after, so that its gradient is a sum of the map's and no part of the convolution's
    backward pass; a 1x1 convolution of a small map is a matrix product, Σ_c w_oc·x_c at each pixel.
    """
    small = x.shape[2] * x.shape[3] <= _FEW_PIXELS and x.device.type == "cpu"
    if small and weight.shape[2:] == (1, 1) and not padding:
        return F.linear(x.permute(0, 2, 3, 1), weight.flatten(1), bias).permute(0, 3, 1, 2)
    h = F.conv2d(x, weight, padding=padding)
    return h if bias is None else h.add_(bias[:, None, None])


def gelu(x: Tensor) -> Tensor:
    """x·Φ(x) of maps; those with their channels last are shown to torch as the contiguous arrays they are.

    Its quick kernel for processors, two thirds of the time, is for these alone.
    """
    if x.dim() == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last):
        return F.gelu(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    return F.gelu(x)


class Conv(nn.Conv2d):
    """A convolution that keeps the size, with torch's initial weights and a bias of zero."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__(inputs, outputs, kernel, padding=kernel // 2)
        assert self.bias is not None
        nn.init.zeros_(self.bias)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight, self.bias, self.kernel_size[0] // 2)
