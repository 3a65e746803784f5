"""The normals of NVAE: soft-clamped moments, the posterior given relative to the prior."""

import torch
from torch import Tensor

from vaebench.distributions import DiagonalNormal

BOUND = 5.0
FLOOR = 0.01


def soft_clamp(x: Tensor) -> Tensor:
    """5·tanh(x/5): x near 0, within ±5 everywhere."""
    return BOUND * torch.tanh(x / BOUND)


def normal(raw: Tensor) -> DiagonalNormal:
    """N(5·tanh(a/5), σ²), σ = exp(5·tanh(b/5)) + 0.01, from (a, b) stacked in the channels of ``raw``.

    Half-precision moments are raised to float32 first. Raw zeros give N(0, 1.01²).

    :param raw: (B, 2·C, H, W)
    """
    mean, log_std = (raw if raw.dtype == torch.float64 else raw.float()).chunk(2, dim=1)
    return DiagonalNormal(soft_clamp(mean), torch.log(torch.exp(soft_clamp(log_std)) + FLOOR))


def residual(raw_prior: Tensor, delta: Tensor) -> DiagonalNormal:
    """q = N(μp + Δμ, (σp·Δσ)²) relative to p = ``normal(raw_prior)`` (sec. 3.2, eq. 2-3).

    The sums a_p + Δa and b_p + Δb are taken before clamp and floor, which both normals then pass through:
    KL(q‖p) is that of the resulting normals. Without clamp and floor it would be
    ½(Δμ²/σp² + Δσ² − log Δσ² − 1); Δ = 0 gives q = p either way.
    """
    return normal(raw_prior + delta)
