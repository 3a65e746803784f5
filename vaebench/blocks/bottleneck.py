"""The residual bottleneck of the very deep VAE."""

import torch
from torch import Tensor, nn

from vaebench.blocks.maps import Conv, conv2d, gelu


class Bottleneck(nn.Module):
    """Pre-activation 1-3-3-1 convolutions with GELU, the outer ones 1x1 (Child 2021, sec. 3 and fig. 3).

    (B, inputs, H, W) -> (B, outputs, H, W); the inner convolutions are 1x1 too where the map is small.

    :param last_scale: factor on the last convolution's initial weights; 0 starts the block at zero
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
            raise ValueError(f"a residual block keeps its channels: {inputs} in, {outputs} out")
        kernel = 3 if spatial else 1
        self.residual = residual
        self.c1 = Conv(inputs, hidden, 1)
        self.c2 = Conv(hidden, hidden, kernel)
        self.c3 = Conv(hidden, hidden, kernel)
        self.c4 = Conv(hidden, outputs, 1)
        with torch.no_grad():
            self.c4.weight.mul_(last_scale)

    def inner(self, h: Tensor) -> Tensor:
        """What the last convolution reads, for h that the first one made."""
        return gelu(self.c3(gelu(self.c2(gelu(h)))))

    def parts(self, h: Tensor, *channels: int) -> tuple[Tensor, ...]:
        """The block's output for h that the first convolution made, cut into maps of so many channels.

        Each is a convolution of its own: cutting one map up costs copies, on the way back above all.
        """
        h = self.inner(h)
        assert self.c4.bias is not None
        cut = zip(self.c4.weight.split(channels), self.c4.bias.split(channels), strict=True)
        return tuple(conv2d(h, weight, bias) for weight, bias in cut)

    def forward(self, x: Tensor) -> Tensor:
        h = self.c4(self.inner(self.c1(gelu(x))))
        return x + h if self.residual else h
