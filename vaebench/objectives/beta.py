"""The β-VAE."""

import math
from typing import Annotated, Literal

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored
from vaebench.errors import UsageError
from vaebench.objectives.schedule import risen


class Beta(Objective):
    """distortion + w·β·Σ_g KL_g, nats per image; a bound on −log p(x) where w·β ≥ 1.

    With ``scale=normalised`` what is given is the paper's β_norm = β·M/N, M latent dimensions (codes count
    once per place) and N pixel values, so that β = β_norm·N/M. Scores are those of the plain bound.
    """

    paper = "Higgins et al. 2017, eq. 4"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        beta: Annotated[float, Meta(ge=0, description="weight of the KL, on the scale that scale names")] = (
            4.0
        ),
        scale: Annotated[
            Literal["plain", "normalised"],
            Meta(description="normalised: beta is given as beta * latent dimensions / pixel values"),
        ] = "plain",
        warmup: Annotated[
            float, Meta(ge=0, le=1, description="share of training in which the weight rises from 0")
        ] = 0.0,
    ) -> None:
        super().__init__()
        self.beta = beta
        self.warmup = warmup
        if scale == "normalised":
            latents = sum(math.prod(group.shape) for group in groups)
            if latents == 0:
                raise UsageError("scale=normalised needs latents to count; scale=plain needs none")
            self.beta = beta * image.dims / latents

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weight = self.beta * risen(progress, self.warmup)
        return scored.distortion.mean(0) + weight * scored.kl().mean(1).sum(0)
