"""The evidence lower bound."""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored


class Elbo(Objective):
    """−ELBO: distortion + w·Σ_g max(KL_g, λ), w rising linearly from 0 to 1 over the warm-up.

    The free bits λ hold for each group's mean over the batch, nats per image (Kingma et al. 2016, app. C.8).
    """

    paper = "Kingma & Welling 2014, eq. 3; warm-up: Sønderby et al. 2016; free bits: Kingma et al. 2016"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        warmup: Annotated[
            float, Meta(ge=0, le=1, description="share of training in which the KL's weight rises to 1")
        ] = 0.3,
        free_bits: Annotated[
            float, Meta(ge=0, description="nats per image and group below which the KL is not pressed")
        ] = 0.0,
    ) -> None:
        super().__init__()
        self.warmup = warmup
        self.free_bits = free_bits

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        kl = scored.kl().mean(1)  # (G, B)
        if self.free_bits:
            # Where the batch's mean is under λ the group pays λ and has no gradient.
            free = kl.mean(1, keepdim=True) < self.free_bits
            kl = torch.where(free, torch.full_like(kl, self.free_bits), kl)
        done = progress.step / max(1.0, self.warmup * progress.total_steps)
        weight = 1.0 if self.warmup == 0 else min(1.0, done)
        return scored.distortion.mean(0) + weight * kl.sum(0)
