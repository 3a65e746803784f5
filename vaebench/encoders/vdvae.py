"""The very deep VAE's encoder."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks import layers
from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.geometry import Size, fit_channels
from vaebench.blocks.maps import Conv
from vaebench.blocks.recompute import recomputed
from vaebench.contracts import Encoder, ImageShape, Level, Tags
from vaebench.errors import UsageError

_SMALL = 4


@dataclass(frozen=True, slots=True)
class Step:
    """One block: the size of the map that it sees, and the rate by which it pools what it makes."""

    size: Size
    rate: int


def pooled(size: Size, rate: int) -> Size:
    """The size after average pooling; the last windows of a side that does not divide are smaller."""
    return -(-size[0] // rate), -(-size[1] // rate)


def parse(text: str, image: ImageShape) -> tuple[Step, ...]:
    """``8x2,8d2,4x1`` -> two blocks of side 8, one more whose map is pooled to side 4, one of side 4.

    :raises UsageError: where a piece's side is not that of the map there
    """
    size = (image.height, image.width)
    steps: list[Step] = []
    for piece in layers.pieces(text, "d", "RATE, as in 8x2,8d2,4x1"):
        if piece.side != max(size):
            raise UsageError(f"blocks: {piece.said} where the map's side is {max(size)}")
        if piece.letter == "x":
            steps += [Step(size, 1)] * piece.number
        else:
            steps.append(Step(size, piece.number))
            size = pooled(size, piece.number)
    return tuple(steps)


def default(image: ImageShape, blocks: int) -> str:
    """``blocks`` at each side: halved while above 4, then pooled to 1x1, as the paper's CIFAR-10 network."""
    size = (image.height, image.width)
    said: list[str] = []
    while (side := max(size)) > 1:
        rate = 2 if side > _SMALL else side
        said += [f"{side}x{blocks - 1}"] * (blocks > 1) + [f"{side}d{rate}"]
        size = pooled(size, rate)
    return ",".join([*said, f"1x{blocks}"])


class Vdvae(Encoder):
    """Residual bottlenecks with average pooling by any rate; the last map of each side, as a pyramid.

    Where a side has channels of its own, a map that is pooled to it is padded with zeros (or cropped).
    """

    offers: ClassVar[Tags] = frozenset({"pyramid"})
    suggests: ClassVar[dict[str, str]] = {"latent": "topdown", "prior": "own", "dec": "vdvae"}
    paper = "Child 2021 (very deep VAE), sec. 3 and fig. 3"

    def __init__(
        self,
        image: ImageShape,
        *,
        blocks: Annotated[
            str,
            Meta(
                description="layer string as in 8x2,8d2,4x1 by map side, or a number of blocks at each size"
            ),
        ] = "1",
        width: Annotated[
            int, Meta(ge=1, description="channels of maps whose side widths does not name")
        ] = 64,
        widths: Annotated[str, Meta(description="channels by map side where they differ, as in 8:128,4:256")]
        | None = None,
        bottleneck: Annotated[
            float, Meta(gt=0, le=4, description="inner width as a share of the outer")
        ] = 0.25,
    ) -> None:
        super().__init__()
        steps = parse(default(image, int(blocks)) if blocks.isdecimal() else blocks, image)
        sizes = dict.fromkeys([s.size for s in steps] + [pooled(s.size, s.rate) for s in steps])
        named = layers.widths(widths or "")
        if wrong := set(named) - {max(size) for size in sizes}:
            raise UsageError(f"widths: no map of side {min(wrong)}; there are {[max(s) for s in sizes]}")
        channels = {size: named.get(max(size), width) for size in sizes}
        self.levels = tuple(Level(channels[size], *size) for size in sizes)
        self.channels = channels
        self.rates = tuple(step.rate for step in steps)
        self.stem = Conv(image.channels, self.levels[0].channels, 3)
        self.blocks = nn.ModuleList(
            Bottleneck(
                channels[step.size],
                max(1, int(channels[step.size] * bottleneck)),
                channels[step.size],
                residual=True,
                spatial=min(step.size) > 2,
                last_scale=len(steps) ** -0.5,
            )
            for step in steps
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        # Channels last: the convolutions of this network are faster so, on processors too, here and in what
        # reads these maps.
        h = self.stem(x).contiguous(memory_format=torch.channels_last)
        maps = {self.levels[0][1:]: h}
        for block, rate in zip(self.blocks, self.rates, strict=True):
            h = recomputed(self.recompute, block, h)
            if rate > 1:
                h = F.avg_pool2d(h, rate, ceil_mode=True, count_include_pad=False)
            size = (h.shape[2], h.shape[3])
            h = fit_channels(h, self.channels[size])
            maps[size] = h
        return tuple(maps.values())
