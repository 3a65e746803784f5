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
    """−ELBO in nats per image: distortion + w·Σ_g γ_g max(KL_g, λ), with w rising linearly over the warm-up.

    At step t of T, w = clip((t − hold·T)/(warmup·T), min_weight, 1). The free bits λ apply to each group's
    mean KL over the batch (Kingma et al. 2016, app. C.8). With ``balance``, γ weighs the groups while w < 1
    (``vaebench.objectives.balance``); otherwise γ = 1.
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
            float, Meta(ge=0, le=1, description="share of training before the warm-up; 1e-4 in NVAE")
        ] = 0.0,
        min_weight: Annotated[
            float, Meta(ge=0, le=1, description="smallest weight of the KL; 1e-4 in NVAE")
        ] = 0.0,
        free_bits: Annotated[
            float, Meta(ge=0, description="nats per image and group below which the KL is not reduced")
        ] = 0.0,
        balance: Annotated[
            bool, Meta(description="whether groups with much KL for their size weigh more during the warm-up")
        ] = False,
    ) -> None:
        super().__init__()
        if balance and warmup == 0:
            raise UsageError("balance needs a warm-up: set warmup above 0, as in warmup=0.3")
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
            # Where the batch's mean KL is below λ, the group contributes λ without a gradient.
            free = kl.mean(1, keepdim=True) < self.free_bits
            kl = torch.where(free, torch.full_like(kl, self.free_bits), kl)
        return scored.distortion.mean(0) + weight * (gamma * kl).sum(0)
