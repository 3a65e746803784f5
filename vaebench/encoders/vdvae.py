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
    """One block: the size of its input map, and the rate by which its output is pooled."""

    size: Size
    rate: int


def pooled(size: Size, rate: int) -> Size:
    """Compute the size after average pooling; the last window is smaller where the rate does not divide."""
    return -(-size[0] // rate), -(-size[1] // rate)


def parse(text: str, image: ImageShape) -> tuple[Step, ...]:
    """Parse a layer string.

    ``8x2,8d2,4x1`` means two blocks of side 8, a third whose map is pooled by 2, and one block of side 4.

    :raises UsageError: where a piece's side is not that of its map
    """
    size = (image.height, image.width)
    steps: list[Step] = []
    for piece in layers.pieces(text, "d", "RATE, as in 8x2,8d2,4x1"):
        if piece.side != max(size):
            raise UsageError(f"blocks: {piece.text} does not fit; the map's side is {max(size)}")
        if piece.letter == "x":
            steps += [Step(size, 1)] * piece.number
        else:
            steps.append(Step(size, piece.number))
            size = pooled(size, piece.number)
    return tuple(steps)


def default(image: ImageShape, blocks: int) -> str:
    """Make a layer string with ``blocks`` at each side: halved down to 4, then pooled to 1x1.

    The paper's CIFAR-10 network pools in this way.
    """
    size = (image.height, image.width)
    layout: list[str] = []
    while (side := max(size)) > 1:
        rate = 2 if side > _SMALL else side
        layout += [f"{side}x{blocks - 1}"] * (blocks > 1) + [f"{side}d{rate}"]
        size = pooled(size, rate)
    return ",".join([*layout, f"1x{blocks}"])


class Vdvae(Encoder):
    """Residual bottlenecks with average pooling by any rate; a pyramid of the last map of each side.

    Where ``widths`` gives a side other channels, maps pooled to that side are zero-padded or cropped.
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
            Meta(description="layer string by map side, as in 8x2,8d2,4x1, or the number of blocks per size"),
        ] = "1",
        width: Annotated[
            int, Meta(ge=1, description="number of channels of maps that widths does not name")
        ] = 64,
        widths: Annotated[str, Meta(description="channels by map side, as in 8:128,4:256")] | None = None,
        bottleneck: Annotated[
            float, Meta(gt=0, le=4, description="inner channels of a block as a share of its outer ones")
        ] = 0.25,
    ) -> None:
        super().__init__()
        steps = parse(default(image, int(blocks)) if blocks.isdecimal() else blocks, image)
        sizes = dict.fromkeys([s.size for s in steps] + [pooled(s.size, s.rate) for s in steps])
        named = layers.widths(widths or "")
        if wrong := set(named) - {max(size) for size in sizes}:
            raise UsageError(
                f"widths: there is no map of side {min(wrong)}; the sides are {[max(s) for s in sizes]}"
            )
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
        # Channels last makes the convolutions faster, on CPUs too, here and in layers that read these maps.
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
