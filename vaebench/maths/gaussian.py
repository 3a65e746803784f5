"""Normal densities and divergences, element by element, in nats."""

import math

import torch
from torch import Tensor

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


def log_density(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    """Compute log N(z; μ, σ²) = −½((z−μ)/σ)² − log σ − ½ log 2π, with σ = exp(log_std)."""
    return -0.5 * ((z - mean) * torch.exp(-log_std)).square() - log_std - HALF_LOG_2PI


def log_density_standard(z: Tensor) -> Tensor:
    """Compute log N(z; 0, 1) = −½z² − ½ log 2π."""
    return -0.5 * z.square() - HALF_LOG_2PI


def kl(mean_q: Tensor, log_std_q: Tensor, mean_p: Tensor, log_std_p: Tensor) -> Tensor:
    """Compute KL(N(μq, σq²) ‖ N(μp, σp²)) = log σp/σq + ½(σq² + (μq−μp)²)/σp² − ½.

    Kingma & Welling 2014, app. B. It is computed as ½(r² − 1 − log r²) + ½((μq−μp)/σp)² with r = σq/σp, so
    that nothing overflows unless the divergence itself does, and with expm1, so that the KL of near-equal
    normals is accurate.
    """
    log_ratio = log_std_q - log_std_p
    shift = (mean_q - mean_p) * torch.exp(-log_std_p)
    return 0.5 * torch.expm1(2 * log_ratio) - log_ratio + 0.5 * shift.square()


def kl_standard(mean: Tensor, log_std: Tensor) -> Tensor:
    """Compute KL(N(μ, σ²) ‖ N(0, 1)) = ½(μ² + σ² − 1) − log σ."""
    return 0.5 * (torch.expm1(2 * log_std) + mean.square()) - log_std
