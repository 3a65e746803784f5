"""The base of latent layers of codes: one walk over grids of codes, coarse to fine."""

import math
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.codebook import Codebook
from vaebench.blocks.maps import Conv
from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Tags, Term, Walk
from vaebench.distributions import Codes
from vaebench.errors import UsageError
from vaebench.maths.quantisation import straight_through
from vaebench.noise import Noise

# Parameters of every such layer.
CodeCount = Annotated[int, Meta(ge=1, description="number of codes in each grid's codebook (K)")]
CodeDim = Annotated[int, Meta(ge=1, description="number of dimensions of a code (D)")]
Beta = Annotated[float, Meta(ge=0, description="weight of the commitment term ‖z − sg[e]‖²")]
LevelCount = Annotated[
    int, Meta(ge=1, le=8, description="number of grids of codes, each on the next coarser map")
]
Halvings = (
    Annotated[
        int,
        Meta(
            ge=0, le=16, description="halvings of the image at the finest grid; default 2, or 1 if levels > 1"
        ),
    ]
    | None
)
Init = Annotated[
    Literal["data", "normal"],
    Meta(description="start of the codes: vectors of the first batch, or samples of N(0, 1)"),
]
Revive = Annotated[
    float,
    Meta(ge=0, lt=1, description="share of the mean use below which a code is replaced by data; 0 is off"),
]


def places(maps: tuple[Level, ...], image: ImageShape, count: int, halvings: int | None) -> tuple[int, ...]:
    """Choose the encoder's maps for ``count`` grids of codes: indices of ``maps``, coarse to fine.

    The finest is the first map no larger than the image after ``halvings``, or the coarsest map.

    :raises UsageError: where fewer than ``count`` maps remain
    """
    if halvings is None:
        halvings = 2 if count == 1 else 1
    height, width = (math.ceil(side / 2**halvings) for side in (image.height, image.width))
    fits = (i for i, level in enumerate(maps) if level.height <= height and level.width <= width)
    finest = next(fits, len(maps) - 1)
    if finest + count > len(maps):
        has = ", ".join(f"{level.height}x{level.width}" for level in maps)
        raise UsageError(
            f"levels={count} needs {count} encoder maps of at most {height}x{width}; the encoder has {has}; "
            "use fewer levels, fewer halvings, or an encoder that halves further"
        )
    return tuple(range(finest, finest + count))[::-1]


class Grid(nn.Module):
    """One grid of codes: from features and the decoded codes above to D channels and their codes.

    ``decode`` computes the next finer grid's input from this grid's vectors and its own input from above.
    """

    def __init__(self, level: Level, codebook: Codebook, dim: int, *, top: bool, last: bool) -> None:
        super().__init__()
        shown = 0 if top else dim
        self.project = Conv(level.channels + shown, dim, 1)
        self.codebook = codebook
        self.decode = (
            None
            if last
            else nn.Sequential(
                Conv(dim + shown, dim, 3), Bottleneck(dim, dim, dim, residual=True, spatial=True)
            )
        )

    def encode(self, h: Tensor, shown: Tensor | None) -> Tensor:
        """Compute the vectors to quantise, (B, D, h, w), from a map (B, C, h, w), in the codebook's dtype."""
        return self.project(_joined(h, shown)).to(self.codebook.weight.dtype)

    def quantise(self, e: Tensor) -> Tensor:
        """Find the codes (B, h, w) of vectors (B, D, h, w)."""
        batch, dim, height, width = e.shape
        return self.codebook(e.permute(0, 2, 3, 1).reshape(-1, dim)).view(batch, height, width)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors (B, D, h, w) of codes (B, h, w)."""
        return self.codebook.look_up(codes).permute(0, 3, 1, 2).contiguous()


def _joined(x: Tensor, shown: Tensor | None) -> Tensor:
    return x if shown is None else torch.cat([x, shown], 1)


class CodeLatent(Latent):
    """Grids of codes, coarse to fine; the decoder gets all their vectors, enlarged to the finest grid.

    The vectors of a finer grid depend on the decoded codes above. Training adds to each image's loss
    β‖z − sg[e]‖² and the codebook's penalties, summed over places and dimensions.

    :param codebooks: one for each grid, coarse to fine
    :param beta: β, the weight of the commitment
    """

    offers: ClassVar[Tags] = frozenset({"codes"})
    suggests: ClassVar[dict[str, str]] = {"prior": "pixelcnn"}

    def __init__(
        self,
        maps: tuple[Level, ...],
        image: ImageShape,
        codebooks: Sequence[Codebook],
        beta: float,
        halvings: int | None,
    ) -> None:
        super().__init__()
        count, dim = codebooks[0].weight.shape
        self.beta = beta
        self.places = places(maps, image, len(codebooks), halvings)
        last = len(codebooks) - 1
        self.grids = nn.ModuleList(
            Grid(maps[place], codebook, dim, top=i == 0, last=i == last)
            for i, (place, codebook) in enumerate(zip(self.places, codebooks, strict=True))
        )
        self.groups = tuple(
            Group(f"codes@{maps[p].height}x{maps[p].width}", maps[p][1:], count) for p in self.places
        )
        self.dim = dim
        self.out = (Level(dim * len(codebooks), *maps[self.places[-1]][1:]),)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        terms: list[Term] = []
        vectors: list[Tensor] = []
        above: tuple[Tensor, ...] = ()
        shown: Tensor | None = None
        for i, (grid, place, group) in enumerate(zip(self.grids, self.places, self.groups, strict=True)):
            assert isinstance(grid, Grid)
            if shown is not None:
                shown = F.interpolate(shown, size=group.shape, mode="nearest")
            e = None if features is None else grid.encode(features[place], shown)
            q = None if e is None else Codes(grid.quantise(e))
            p = prior.at(i, Context(batch, above, noise))
            assert p is not None, "a prior of codes covers every group"
            z = source.pick(i, q, p, noise)
            quantised = grid.look_up(z)
            terms.append(
                Term(group, z, q, p, above, {} if e is None else self._penalties(grid, e, quantised))
            )
            vectors.append(quantised if e is None else straight_through(e, quantised))
            if grid.decode is not None:
                shown = grid.decode(_joined(vectors[-1], shown))
            above = (*above, z)
        size = self.groups[-1].shape
        return Walk(terms, (torch.cat([F.interpolate(v, size=size, mode="nearest") for v in vectors], 1),))

    def _penalties(self, grid: Grid, e: Tensor, quantised: Tensor) -> dict[str, Tensor]:
        commitment = self.beta * (e - quantised.detach()).square().flatten(1).sum(1)
        return {"commitment": commitment, **grid.codebook.penalty(e, quantised)}

    def without(self, features: tuple[Tensor, ...], group: int) -> tuple[Tensor, ...]:
        left = features[0].clone()
        left[:, group * self.dim : (group + 1) * self.dim] = 0
        return (left,)

    def after_step(self) -> None:
        for grid in self.grids:
            assert isinstance(grid, Grid)
            grid.codebook.commit()
