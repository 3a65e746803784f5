"""Codes from a codebook of moving averages (VQ-VAE)."""

from typing import Annotated, Literal

from msgspec import Meta

from vaebench.blocks.codebook import EmaCodebook
from vaebench.contracts import ImageShape, Level
from vaebench.latents.codes import (
    Beta,
    CodeCount,
    CodeDim,
    CodeLatent,
    Halvings,
    Init,
    LevelCount,
    Revive,
)


class EmaVq(CodeLatent):
    """Codes of the nearest vectors, from a codebook whose vectors are moving averages of the encoder's.

    β‖z − sg[e]‖² commits the encoder to the codebook. The published code starts with
    counts=zero,init=normal,revive=0, which makes unused codes explode.
    """

    paper = "van den Oord et al. 2017, app. A.1; levels: Razavi et al. 2019 (VQ-VAE-2), sec. 3.1"

    def __init__(
        self,
        maps: tuple[Level, ...],
        image: ImageShape,
        *,
        codes: CodeCount = 512,
        dim: CodeDim = 64,
        beta: Beta = 0.25,
        levels: LevelCount = 1,
        halvings: Halvings = None,
        init: Init = "data",
        revive: Revive = 0.1,
        decay: Annotated[
            float, Meta(ge=0, lt=1, description="decay of the running counts and sums, per step (γ)")
        ] = 0.99,
        eps: Annotated[float, Meta(gt=0, description="Laplace smoothing of the running counts (ε)")] = 1e-5,
        counts: Annotated[
            Literal["one", "zero"],
            Meta(description="start of the running counts; the published code uses zero"),
        ] = "one",
    ) -> None:
        books = [
            EmaCodebook(codes, dim, init=init, revive=revive, decay=decay, eps=eps, counts=counts)
            for _ in range(levels)
        ]
        super().__init__(maps, image, books, beta, halvings)
