"""The normals of NVAE: soft-clamped moments, and a posterior relative to the prior."""

import torch
from torch import Tensor

from vaebench.distributions import DiagonalNormal

BOUND = 5.0
FLOOR = 0.01


def soft_clamp(x: Tensor) -> Tensor:
    """Compute 5·tanh(x/5), which is about x near 0 and stays within ±5."""
    return BOUND * torch.tanh(x / BOUND)


def normal(raw: Tensor) -> DiagonalNormal:
    """Make N(5·tanh(a/5), σ²) with σ = exp(5·tanh(b/5)) + 0.01, where ``raw`` stacks a and b.

    Half-precision moments are converted to float32 first. Raw zeros give N(0, 1.01²).

    :param raw: (B, 2·C, H, W)
    """
    mean, log_std = (raw if raw.dtype == torch.float64 else raw.float()).chunk(2, dim=1)
    return DiagonalNormal(soft_clamp(mean), torch.log(torch.exp(soft_clamp(log_std)) + FLOOR))


def residual(raw_prior: Tensor, delta: Tensor) -> DiagonalNormal:
    """Make q = N(μp + Δμ, (σp·Δσ)²) relative to p = ``normal(raw_prior)`` (sec. 3.2, eq. 2-3).

    The sums a_p + Δa and b_p + Δb are computed before the clamp and the floor of ``normal``, which apply to
    both p and q; KL(q‖p) is that of the resulting normals. Without clamp and floor it would be
    ½(Δμ²/σp² + Δσ² − log Δσ² − 1); Δ = 0 gives q = p in both cases.
    """
    return normal(raw_prior + delta)
