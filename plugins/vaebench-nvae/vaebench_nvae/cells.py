"""The residual cells of NVAE (Vahdat & Kautz 2020, sec. 3.1 and fig. 3)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vaebench.blocks.maps import conv2d
from vaebench.blocks.recompute import recomputed

RESIDUAL = 0.1
"""Factor on a cell's residual branch."""
MOMENTUM = 0.05
"""Momentum of the running statistics of batch normalisation."""


def conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    """Build a weight-normalised convolution, W = g·V/‖V‖ per output channel (Salimans & Kingma 2016)."""
    return weight_norm(nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2))


class BatchNorm(nn.BatchNorm2d):
    """Batch normalisation that uses its running statistics for one value per channel, in training too."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, momentum=MOMENTUM)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and x.numel() == x.shape[1]:
            return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)
        return super().forward(x)


class SqueezeExcite(nn.Module):
    """Scaling of each channel by σ(W₂ relu(W₁ mean(x))), with max(C/16, 4) hidden units (Hu et al. 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.hidden = max(channels // 16, 4)
        self.squeeze = nn.Linear(channels, self.hidden)
        self.excite = nn.Linear(self.hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        gate = self.excite(F.relu(self.squeeze(x.mean((2, 3))))).sigmoid()
        return x * gate[:, :, None, None]


class Pointwise(nn.Conv2d):
    """A 1x1 convolution without bias."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return conv2d(x, self.weight)


class EncoderCell(nn.Module):
    """x + 0.1·SE(BN-swish-3x3-BN-swish-3x3), (B, inputs, H, W) -> (B, outputs, H, W).

    :param halve: whether the output has half the size; the skip is then a 2x2 average, followed by a 1x1
        convolution where the channels change
    """

    def __init__(self, inputs: int, outputs: int, *, halve: bool = False) -> None:
        super().__init__()
        self.halve = halve
        self.bn1 = BatchNorm(inputs)
        self.conv1 = conv(inputs, outputs, 3, 2 if halve else 1)
        self.bn2 = BatchNorm(outputs)
        self.conv2 = conv(outputs, outputs, 3)
        self.se = SqueezeExcite(outputs)
        self.skip = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.bn1(x)))
        h = self.se(self.conv2(F.silu(self.bn2(h))))
        skip = F.avg_pool2d(x, 2) if self.halve else x
        return torch.add(self.skip(skip), h, alpha=RESIDUAL)


class DecoderCell(nn.Module):
    """x + 0.1·SE(BN-1x1-BN-swish-5x5 depthwise-BN-swish-1x1-BN), (B, inputs, H, W) -> (B, outputs, *size).

    The first 1x1 convolution expands the channels; none of the three convolutions is weight-normalised.
    Enlargement follows the expansion: the two commute, and the expansion costs a quarter at the smaller size.
    Where the channels change, the skip is a 1x1 convolution.

    :param expand: factor of the inner channels
    :param size: the size to enlarge to, by nearest neighbour; None keeps the input's size
    """

    def __init__(self, inputs: int, outputs: int, expand: int, size: tuple[int, int] | None = None) -> None:
        super().__init__()
        hidden = inputs * expand
        self.size = size
        self.bn1 = BatchNorm(inputs)
        self.expand = Pointwise(inputs, hidden)
        self.bn2 = BatchNorm(hidden)
        self.depthwise = nn.Conv2d(hidden, hidden, 5, padding=2, groups=hidden, bias=False)
        self.bn3 = BatchNorm(hidden)
        self.project = Pointwise(hidden, outputs)
        self.bn4 = BatchNorm(outputs)
        self.se = SqueezeExcite(outputs)
        self.skip = nn.Identity() if inputs == outputs else conv(inputs, outputs, 1)

    def _enlarged(self, x: Tensor) -> Tensor:
        return x if self.size is None else F.interpolate(x, size=self.size, mode="nearest")

    def forward(self, x: Tensor) -> Tensor:
        # Faster on CPUs (measured on whole cells): 1x1 convolutions, and the gradient of a 5x5 depthwise one.
        x = x.contiguous(memory_format=torch.channels_last)
        h = F.silu(self.bn2(self.expand(self.bn1(x))))
        h = self._enlarged(h)
        h = F.silu(self.bn3(self.depthwise(h)))
        h = self.se(self.bn4(self.project(h)))
        return torch.add(self._enlarged(self.skip(x)), h, alpha=RESIDUAL)


def through(cells: Iterable[nn.Module], h: Tensor, recompute: bool) -> Tensor:
    """Apply the cells to ``h`` in turn.

    :param recompute: whether to keep only the activations between cells, and recompute the others
    """
    for cell in cells:
        h = recomputed(recompute, cell, h)
    return h
