"""The β-VAE."""

import math
from typing import Annotated, Literal

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored
from vaebench.errors import UsageError
from vaebench.objectives.schedule import risen


class Beta(Objective):
    """distortion + w·β·Σ_g KL_g, in nats per image; an upper bound on −log p(x) where w·β ≥ 1.

    w rises from 0 to 1 over the warm-up. With ``scale=normalised`` the parameter is the paper's
    β_norm = β·M/N, with M latent dimensions (one per place for codes) and N pixel values, so that
    β = β_norm·N/M. Models are scored by the bound with β = 1.
    """

    paper = "Higgins et al. 2017, eq. 4"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        beta: Annotated[float, Meta(ge=0, description="weight of the KL, on the scale given by scale")] = (
            4.0
        ),
        scale: Annotated[
            Literal["plain", "normalised"],
            Meta(description="scale of beta; normalised: beta * latent dimensions / pixel values"),
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
                raise UsageError("scale=normalised needs a model with latents; use scale=plain")
            self.beta = beta * image.dims / latents

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weight = self.beta * risen(progress, self.warmup)
        return scored.distortion.mean(0) + weight * scored.kl().mean(1).sum(0)
