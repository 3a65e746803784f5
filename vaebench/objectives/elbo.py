"""The evidence lower bound."""

from typing import Annotated

import torch
from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored
from vaebench.errors import UsageError
from vaebench.objectives import balance as balancing
from vaebench.objectives.schedule import risen


class Elbo(Objective):
    """−ELBO: distortion + w·Σ_g γ_g max(KL_g, λ), w rising linearly to 1 over the warm-up.

    The free bits λ hold for each group's mean over the batch, nats per image (Kingma et al. 2016, app. C.8).
    With ``balance``, γ presses the groups unevenly while w < 1 (see ``vaebench.objectives.balance``); else
    γ = 1. At step t of T, w = clip((t − hold·T)/(warmup·T), min_weight, 1).
    """

    paper = (
        "Kingma & Welling 2014, eq. 3; warm-up: Sønderby et al. 2016; free bits: Kingma et al. 2016; "
        "balance: Vahdat & Kautz 2020 (NVAE), app. A"
    )

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        warmup: Annotated[
            float, Meta(ge=0, le=1, description="share of training in which the KL's weight rises to 1")
        ] = 0.3,
        hold: Annotated[
            float, Meta(ge=0, le=1, description="share of training before the warm-up; NVAE: 1e-4")
        ] = 0.0,
        min_weight: Annotated[
            float, Meta(ge=0, le=1, description="least weight of the KL; NVAE: 1e-4")
        ] = 0.0,
        free_bits: Annotated[
            float, Meta(ge=0, description="nats per image and group below which the KL is not pressed")
        ] = 0.0,
        balance: Annotated[
            bool, Meta(description="during the warm-up, press groups with much KL for their size the most")
        ] = False,
    ) -> None:
        super().__init__()
        if balance and warmup == 0:
            raise UsageError("balance acts during the warm-up only: give warmup above 0, as in warmup=0.3")
        self.warmup = warmup
        self.hold = hold
        self.min_weight = min_weight
        self.free_bits = free_bits
        self.alpha = balancing.sizes(groups) if balance else None

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        kl = scored.kl().mean(1)  # (G, B)
        weight = max(self.min_weight, risen(progress, self.warmup, self.hold))
        gamma = 1.0 if self.alpha is None or weight >= 1 else balancing.coefficients(kl, self.alpha)[:, None]
        if self.free_bits:
            # Where the batch's mean is under λ the group pays λ and has no gradient.
            free = kl.mean(1, keepdim=True) < self.free_bits
            kl = torch.where(free, torch.full_like(kl, self.free_bits), kl)
        return scored.distortion.mean(0) + weight * (gamma * kl).sum(0)
