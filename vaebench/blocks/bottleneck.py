"""The residual bottleneck of the very deep VAE."""

import torch
from torch import Tensor, nn

from vaebench.blocks.maps import Conv, conv2d, gelu


class Bottleneck(nn.Module):
    """Pre-activation 1-3-3-1 convolutions with GELU, the outer ones 1x1 (Child 2021, sec. 3 and fig. 3).

    (B, inputs, H, W) -> (B, outputs, H, W).

    :param hidden: channels of the inner maps
    :param residual: whether the input is added to the output
    :param spatial: whether the two inner convolutions are 3x3; for small maps they are 1x1
    :param last_scale: factor on the last convolution's initial weights; with 0 the block starts at zero
    :raises ValueError: for a residual block with other output than input channels
    """

    def __init__(
        self,
        inputs: int,
        hidden: int,
        outputs: int,
        *,
        residual: bool,
        spatial: bool,
        last_scale: float = 1.0,
    ) -> None:
        super().__init__()
        if residual and inputs != outputs:
            raise ValueError(f"a residual block cannot change its channels, from {inputs} to {outputs}")
        kernel = 3 if spatial else 1
        self.residual = residual
        self.c1 = Conv(inputs, hidden, 1)
        self.c2 = Conv(hidden, hidden, kernel)
        self.c3 = Conv(hidden, hidden, kernel)
        self.c4 = Conv(hidden, outputs, 1)
        with torch.no_grad():
            self.c4.weight.mul_(last_scale)

    def inner(self, h: Tensor) -> Tensor:
        """Compute the last convolution's input from the first one's output h."""
        return gelu(self.c3(gelu(self.c2(gelu(h)))))

    def parts(self, h: Tensor, *channels: int) -> tuple[Tensor, ...]:
        """Compute the block's output from the first convolution's output h, as maps of the given channels.

        Each map has its own convolution: splitting one map costs copies, above all in the backward pass.
        """
        h = self.inner(h)
        assert self.c4.bias is not None
        cut = zip(self.c4.weight.split(channels), self.c4.bias.split(channels), strict=True)
        return tuple(conv2d(h, weight, bias) for weight, bias in cut)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c4(self.inner(self.c1(gelu(x))))
        return x + h if self.residual else h
