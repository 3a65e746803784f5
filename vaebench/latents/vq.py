"""Codes from a codebook that is trained by gradient (VQ-VAE)."""

from vaebench.blocks.codebook import GradientCodebook
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


class Vq(CodeLatent):
    """Codes of the nearest vectors, k = argmin_j ‖z − e_j‖², from a codebook that is trained by gradient.

    ‖sg[z] − e‖² trains the codebook, and β‖z − sg[e]‖² commits the encoder to it.
    """

    paper = "van den Oord et al. 2017, sec. 3; levels: Razavi et al. 2019 (VQ-VAE-2), sec. 3.1"

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
    ) -> None:
        books = [GradientCodebook(codes, dim, init=init, revive=revive) for _ in range(levels)]
        super().__init__(maps, image, books, beta, halvings)
