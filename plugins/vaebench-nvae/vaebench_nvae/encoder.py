"""The bottom-up path of NVAE's bidirectional encoder."""

import math
import re
from typing import Annotated, ClassVar

import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Encoder, ImageShape, Level, Tags
from vaebench.errors import UsageError
from vaebench_nvae.cells import EncoderCell, conv, through
from vaebench_nvae.regularise import Regularised


def _counts(groups: str) -> list[int]:
    """Parse ``10,5`` into [10, 5].

    :raises UsageError: where a piece is not a number of groups
    """
    pieces = groups.replace(" ", "").split(",")
    for piece in pieces:
        if not re.fullmatch(r"[1-9]\d{0,2}", piece):
            raise UsageError(
                f"groups: {piece!r} is not a number of groups; expected numbers from 1 to 999, one for each "
                "scale, fine to coarse, as in 10,5"
            )
    return [int(piece) for piece in pieces]


class Nvae(Regularised, Encoder):
    """Residual cells at halving sizes, with one map per group of latents (Vahdat & Kautz 2020, sec. 3.1).

    ``groups`` lists the number of maps at each scale, fine to coarse, as in ``10,5``; ``latent=nvae`` makes
    one group of each map. Images are padded to a multiple of the total reduction by repeating their edges,
    half on either side (28 to 32 for MNIST). ``dec=nvae`` crops the same way, so that the likelihood scores
    the image's own pixels only. Channels double at each halving; a map of one pixel is not halved.
    """

    offers: ClassVar[Tags] = frozenset({"pyramid"})
    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real"})}
    suggests: ClassVar[dict[str, str]] = {"latent": "nvae", "dec": "nvae"}
    paper = "Vahdat & Kautz 2020 (NVAE), sec. 3.1, fig. 2-3, app. A"

    def __init__(
        self,
        image: ImageShape,
        *,
        groups: Annotated[
            str, Meta(description="number of groups of latents at each scale, fine to coarse, as in 10,5")
        ] = "2,1",
        width: Annotated[
            int, Meta(ge=1, description="number of channels at the image's size; doubled at each halving")
        ] = 16,
        halvings: Annotated[
            int, Meta(ge=0, le=6, description="number of halvings between the image and the finest scale")
        ] = 2,
        halving_cells: Annotated[
            int,
            Meta(
                ge=1, description="number of cells per halving before the finest scale; the last one halves"
            ),
        ] = 1,
        cells: Annotated[
            int, Meta(ge=1, description="number of cells between one group's map and the next")
        ] = 1,
        regularisation: Annotated[
            float,
            Meta(
                ge=0,
                description="weight λ of the penalties Σσ(W) and Σmax|γ| of batch normalisation; 0 is off",
            ),
        ] = 1e-2,
    ) -> None:
        super().__init__()
        counts = _counts(groups)
        most = math.ceil(math.log2(max(image.height, image.width)))
        multiple = 2 ** min(most, halvings + len(counts) - 1)
        padded = [-(-side // multiple) * multiple for side in (image.height, image.width)]
        high, wide = padded[0] - image.height, padded[1] - image.width
        self.padding = (wide // 2, -(-wide // 2), high // 2, -(-high // 2))
        self.stem = conv(image.channels, width, 3)
        done = 0

        def halving() -> EncoderCell:
            nonlocal done
            halve = done < most
            done += halve
            return EncoderCell(width * 2 ** (done - halve), width * 2**done, halve=halve)

        before: list[nn.Module] = []
        for _ in range(halvings):
            before += [EncoderCell(width * 2**done, width * 2**done) for _ in range(halving_cells - 1)]
            before.append(halving())
        self.before = nn.ModuleList(before)
        tapped: list[nn.Module] = []
        levels: list[Level] = []
        for scale, count in enumerate(counts):
            for group in range(count):
                path = [halving()] if scale and not group else []
                path += [EncoderCell(width * 2**done, width * 2**done) for _ in range(cells)]
                tapped.append(nn.ModuleList(path))
                levels.append(Level(width * 2**done, *(side // 2**done for side in padded)))
        self.tapped = nn.ModuleList(tapped)
        self.levels = tuple(levels)
        self.regularise(regularisation)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        h = F.pad(x, self.padding, mode="replicate") if any(self.padding) else x
        h = through(self.before, self.stem(h), self.recompute)
        maps: list[Tensor] = []
        for path in self.tapped:
            assert isinstance(path, nn.ModuleList)
            h = through(path, h, self.recompute)
            maps.append(h)
        return tuple(maps)
