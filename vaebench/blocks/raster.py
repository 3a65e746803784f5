"""Sampling from a gated PixelCNN place by place, reusing the computations of earlier places."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.blocks.gated import GatedLayer, GatedPixelCnn, gate

Draw = Callable[[int, int, Tensor], Tensor]
"""(row, column, features (B, width) of a place) -> the network's input there, (B, inputs)."""


@torch.no_grad()
def draw(net: GatedPixelCnn, batch: int, size: tuple[int, int], condition: Tensor | None, at: Draw) -> None:
    """Call ``at`` once for every place, in raster order, with the features that ``net`` computes for it.

    The vertical stack is computed once per row and the horizontal one once per place, so that all H·W calls
    together need about as much arithmetic as one forward pass (Ramachandran et al. 2017).

    :param condition: (B, condition, H, W), or None
    """
    layers = [_Layer.of(layer, batch, size[1]) for layer in net.layers if isinstance(layer, GatedLayer)]
    above: Tensor | None = None  # the inputs of the row before, (B, inputs, 1, W)
    for row in range(size[0]):
        seen = None if condition is None else condition[:, :, row : row + 1]
        last = None if row == 0 or condition is None else condition[:, :, row - 1 : row]
        for layer in layers:
            above = layer.begin_row(above, last, seen)
        inputs = layers[0].left.new_empty(batch, net.inputs, 1, size[1])
        for column in range(size[1]):
            h = layers[0].left.new_empty(0)
            for layer in layers:
                h = layer.step(h, column)
            value = at(row, column, h)
            layers[0].see(value, column)
            inputs[:, :, 0, column] = value
        above = inputs


@dataclass
class _Layer:
    """The cache of one gated layer: the rows above for its vertical stack, and this row's left part."""

    layer: GatedLayer
    rows: Tensor
    """(B, inputs, reach + 1, W + 2·reach): the latest input rows of the vertical stack, zero-padded."""
    left: Tensor
    """(B, (W + reach)·inputs): this row's inputs of the horizontal stack, zero-padded on the left."""
    taps: Tensor
    """(places·inputs, 2·width): the horizontal convolution as a matrix."""
    bias: Tensor
    """(W, B, 2·width): the contributions from above and from the condition to the horizontal gates."""

    @classmethod
    def of(cls, layer: GatedLayer, batch: int, width: int) -> "_Layer":
        weight = layer.horizontal.weight
        inputs, reach = weight.shape[1], layer.reach
        return cls(
            layer,
            weight.new_zeros(batch, inputs, reach + 1, width + 2 * reach),
            weight.new_zeros(batch, (width + reach) * inputs),
            weight[:, :, 0].permute(2, 1, 0).reshape(-1, len(weight)).contiguous(),
            weight.new_empty(0),
        )

    def begin_row(self, above: Tensor | None, last: Tensor | None, seen: Tensor | None) -> Tensor | None:
        """Process the vertical inputs of the previous row (None at the first), and return its outputs."""
        layer, out = self.layer, None
        batch, width = len(self.rows), self.rows.shape[3] - 2 * layer.reach
        up = self.rows.new_zeros(batch, layer.link.in_channels, 1, width)
        if above is not None:
            newest = torch.nn.functional.pad(above, (layer.reach, layer.reach))
            self.rows = torch.cat([self.rows[:, :, 1:], newest], 2)
            up = layer.vertical(self.rows)
        left = layer.link(up)
        if layer.horizontal.bias is not None:
            left = left + layer.horizontal.bias[:, None, None]
        if layer.condition is not None and seen is not None:
            left = left + layer.condition(seen).chunk(2, 1)[1]
            if last is not None:
                up = up + layer.condition(last).chunk(2, 1)[0]
        if above is not None:
            out = gate(up)
        self.bias = left[:, :, 0].permute(2, 0, 1).contiguous()
        self.left.zero_()
        return out

    def see(self, value: Tensor, column: int) -> None:
        """Store the horizontal input of a place of this row."""
        start = (self.layer.reach + column) * value.shape[1]
        self.left[:, start : start + value.shape[1]] = value

    def step(self, h: Tensor, column: int) -> Tensor:
        """Compute the horizontal output (B, width) of a place from ``h``, unused by the first layer."""
        layer = self.layer
        if not layer.first:
            self.see(h, column)
        start = column * layer.horizontal.in_channels
        window = self.left[:, start : start + len(self.taps)]
        a = torch.addmm(self.bias[column], window, self.taps)
        weight = layer.mix.weight[:, :, 0, 0]
        out = torch.addmm(layer.mix.bias, gate(a), weight.t()) if layer.mix.bias is not None else a
        return out if layer.first else out.add_(h)
