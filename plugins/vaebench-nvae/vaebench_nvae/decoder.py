"""The decoder of NVAE: from the finest state to the image."""

from typing import Annotated, ClassVar

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Decoder, ImageShape, Level, Likelihood
from vaebench_nvae.cells import DecoderCell, conv, through
from vaebench_nvae.regularise import Regularised


class Head(Regularised):
    """ELU and a weight-normalised 3x3 convolution to the likelihood's parameters."""

    def __init__(self, width: int, channels: int, regularisation: float) -> None:
        super().__init__()
        self.conv = conv(width, channels, 3)
        self.regularise(regularisation)

    def forward(self, h: Tensor) -> Tensor:
        return self.conv(F.elu(h))


class Nvae(Regularised, Decoder):
    """Residual cells that double the finest latent features until they cover the image, then a crop.

    Channels halve at each doubling, but not below ``width``. The crop removes half of the excess on either
    side: from 8x8 latents, MNIST's 28x28 image is the inner part of 32x32.
    """

    suggests: ClassVar[dict[str, str]] = {"enc": "nvae", "latent": "nvae"}
    paper = "Vahdat & Kautz 2020 (NVAE), sec. 3.1, fig. 2-3, app. A"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="smallest number of channels of a map")] = 16,
        cells: Annotated[
            int, Meta(ge=1, description="number of cells at each size; the first one enlarges")
        ] = 1,
        expand: Annotated[int, Meta(ge=1, description="factor on a cell's inner channels")] = 6,
        regularisation: Annotated[
            float,
            Meta(
                ge=0,
                description="weight λ of the penalties Σσ(W) and Σmax|γ| of batch normalisation; 0 is off",
            ),
        ] = 1e-2,
    ) -> None:
        super().__init__()
        channels, h, w = levels[0]
        path: list[nn.Module] = []
        while not path or h < image.height or w < image.width:
            outputs, size = channels, None
            if h < image.height or w < image.width:
                h, w = 2 * h, 2 * w
                outputs, size = max(width, channels // 2), (h, w)
            path.append(DecoderCell(channels, outputs, expand, size))
            path += [DecoderCell(outputs, outputs, expand) for _ in range(cells - 1)]
            channels = outputs
        self.cells = nn.ModuleList(path)
        self.width = channels
        self.image_size = (image.height, image.width)
        self.corner = ((h - image.height) // 2, (w - image.width) // 2)
        self.regularise(regularisation)

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        h = through(self.cells, features[0], self.recompute)
        (top, left), (height, width) = self.corner, self.image_size
        return h[:, :, top : top + height, left : left + width]

    def head(self, likelihood: Likelihood) -> nn.Module:
        return Head(self.width, likelihood.channels, self.regularisation)
