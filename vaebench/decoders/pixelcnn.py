"""The gated PixelCNN decoder."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.gated import GatedPixelCnn, readout
from vaebench.blocks.raster import draw
from vaebench.contracts import Decoder, ImageShape, Level, Likelihood, Output, Tags
from vaebench.decoders.conv import Conv
from vaebench.noise import Noise


class ColourHead(nn.Module):
    """Head to C blocks of parameters; block c is computed from the features and the pixel's colours before c.

    :param channels: number of likelihood parameters per pixel, in C equal blocks
    """

    def __init__(self, width: int, colours: int, channels: int) -> None:
        super().__init__()
        self.width = width
        self.of_features = nn.Conv2d(width, colours * width, 1)
        self.of_colours = nn.Conv2d(colours, colours * width, 1, bias=False)
        self.out = nn.Conv2d(colours * width, channels, 1, groups=colours)
        self.mask: Tensor
        seen = torch.ones(colours, colours).tril(-1).repeat_interleave(width, 0)
        self.register_buffer("mask", seen[:, :, None, None], persistent=False)

    def forward(self, h: Tensor) -> Tensor:
        features, colours = h.tensor_split([self.width], 1)
        of_colours = nn.functional.conv2d(colours, self.of_colours.weight * self.mask)
        return self.out(nn.functional.gelu(self.of_features(nn.functional.gelu(features)) + of_colours))


class PlainHead(nn.Module):
    """Head from the features only, without the pixel's own colours."""

    def __init__(self, width: int, channels: int) -> None:
        super().__init__()
        self.width = width
        self.read = readout(width, channels)

    def forward(self, h: Tensor) -> Tensor:
        return self.read(h[:, : self.width])


class PixelCnn(Decoder):
    """A gated PixelCNN, log p(x|z) = Σ_i log p(x_i | x_<i, z), conditioned on z in every layer.

    A small convolutional decoder enlarges z to the image's size. For likelihoods with parameters by colour,
    each colour also depends on the pixel's earlier colours; other likelihoods couple the colours themselves.
    With few layers the receptive field is small, and z has to carry the rest (the lossy VAE).
    """

    offers: ClassVar[Tags] = frozenset({"autoregressive", "unconditional"})
    paper = "Gulrajani et al. 2017 (PixelVAE), sec. 3; Chen et al. 2017 (lossy VAE); van den Oord et al. 2016"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="number of channels of every layer")] = 32,
        layers: Annotated[int, Meta(ge=1, description="number of gated layers")] = 6,
        kernel: Annotated[int, Meta(ge=3, le=15, description="side of the kernels, an odd number")] = 5,
    ) -> None:
        super().__init__()
        self.image = image
        self.features = width
        self.width = width + image.channels
        unconditional = levels[0].channels == 0
        self.of_z = None if unconditional else Conv(levels, image, width=width)
        self.gated = GatedPixelCnn(image.channels + 1, width, layers, kernel, 0 if unconditional else width)

    def head(self, likelihood: Likelihood) -> nn.Module:
        colours = self.image.channels
        if colours > 1 and likelihood.by_colour:
            return ColourHead(self.features, colours, likelihood.channels)
        return PlainHead(self.features, likelihood.channels)

    def _condition(self, features: tuple[Tensor, ...]) -> Tensor | None:
        return None if self.of_z is None else self.of_z(features, None)

    def _scaled(self, x: Tensor) -> Tensor:
        """Scale integers to [-1, 1], the network's input."""
        like = next(self.gated.parameters())
        return x.to(like) * (2.0 / (self.image.levels - 1)) - 1.0

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        """(B, width + C, H, W): features that see earlier pixels, then the pixel itself for the head."""
        if x is None:
            raise ValueError("an autoregressive decoder needs the image")
        v = self._scaled(x)
        seen = torch.cat([v, torch.ones_like(v[:, :1])], 1)  # ones distinguish padding from grey pixels
        return torch.cat([self.gated(seen, self._condition(features)), v], 1)

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        image = self.image
        batch = len(features[0])
        x = torch.zeros(
            batch, image.channels, image.height, image.width, dtype=torch.int64, device=features[0].device
        )
        rounds = image.channels if output.likelihood.by_colour else 1

        def at(row: int, column: int, h: Tensor) -> Tensor:
            place = x[:, :, row : row + 1, column : column + 1]
            for c in range(rounds):
                seen = torch.cat([h[:, :, None, None], self._scaled(place)], 1)
                drawn = output.likelihood.sample(output.parameters_of(seen), noise)
                place[:, c:] = drawn[:, c:]
            v = self._scaled(place)[:, :, 0, 0]
            return torch.cat([v, torch.ones_like(v[:, :1])], 1)

        draw(self.gated, batch, (image.height, image.width), self._condition(features), at)
        return x

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        """Draw a sample: E[x|z] has no closed form."""
        return self.sample(features, output, noise).double()
