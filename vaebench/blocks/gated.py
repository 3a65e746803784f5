"""The gated PixelCNN: each place of a map sees only the earlier places in raster order."""

import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.errors import UsageError


def gate(a: Tensor, dim: int = 1) -> Tensor:
    """Compute tanh(a₁)·σ(a₂) of the two halves of the channels."""
    value, opening = a.chunk(2, dim)
    return value.tanh() * opening.sigmoid()


class GatedLayer(nn.Module):
    """A vertical stack that sees the rows up to its own, and a horizontal one that sees its row to the left.

    The vertical stack is added to the horizontal one a row lower, through a 1x1 convolution; together they
    see every earlier place within reach, without a blind spot. Only the first layer hides the place itself
    (mask A), and it has no residual connection. The condition is added to all gates, unmasked.

    :param kernel: odd; the stacks reach ``kernel // 2`` places up, left and (above) right
    :param condition: channels of the condition; 0 for none
    """

    def __init__(self, inputs: int, width: int, kernel: int, condition: int, *, first: bool) -> None:
        super().__init__()
        self.first = first
        self.reach = kernel // 2
        self.vertical = nn.Conv2d(inputs, 2 * width, (self.reach + 1, kernel))
        self.horizontal = nn.Conv2d(inputs, 2 * width, (1, self.reach + (not first)))
        self.link = nn.Conv2d(2 * width, 2 * width, 1)
        self.mix = nn.Conv2d(width, width, 1)
        self.condition = nn.Conv2d(condition, 4 * width, 1) if condition else None

    def forward(self, v: Tensor, h: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Map both stacks, (B, inputs, H, W) each, to (B, width, H, W) each."""
        r = self.reach
        up = self.vertical(F.pad(v, (r, r, r, 0)))
        left = self.horizontal(F.pad(h, (r, -1 if self.first else 0)))
        left = left + self.link(F.pad(up, (0, 0, 1, -1)))
        if self.condition is not None and condition is not None:
            vertical, horizontal = self.condition(condition).chunk(2, 1)
            up, left = up + vertical, left + horizontal
        out = self.mix(gate(left))
        return gate(up), out if self.first else h + out


class GatedPixelCnn(nn.Module):
    """Gated layers (B, inputs, H, W) -> (B, width, H, W) whose output at a place sees only earlier places.

    There is no batch normalisation, whose statistics would include later places (van den Oord et al. 2016,
    sec. 2; Gulrajani et al. 2017).

    :param condition: channels of a map (B, condition, H, W) that every layer sees whole; 0 for none
    :raises UsageError: for an even kernel
    """

    def __init__(self, inputs: int, width: int, layers: int, kernel: int, condition: int = 0) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise UsageError(f"kernel={kernel}: an odd number is expected, such as {kernel + 1}")
        self.inputs = inputs
        self.width = width
        self.layers = nn.ModuleList(
            GatedLayer(width if i else inputs, width, kernel, condition, first=i == 0) for i in range(layers)
        )

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        v = h = x
        for layer in self.layers:
            v, h = layer(v, h, condition)
        return h


def readout(width: int, outputs: int) -> nn.Sequential:
    """Build the 1x1 convolutions from the last gated layer to a place's parameters."""
    return nn.Sequential(nn.GELU(), nn.Conv2d(width, width, 1), nn.GELU(), nn.Conv2d(width, outputs, 1))


def pick(logits: Tensor, u: Tensor) -> Tensor:
    """Choose categories by inverse transform: logits (B, K, …) and uniforms u (B, …) -> int64 (B, …)."""
    below = logits.softmax(1).cumsum(1)[:, :-1] < u.unsqueeze(1)
    return below.sum(1)
