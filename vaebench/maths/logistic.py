"""Discretised logistic distributions over the integers 0 .. levels-1, exact in log space."""

import torch
import torch.nn.functional as F
from torch import Tensor


def to_unit(x: Tensor, levels: int) -> Tensor:
    """Scale integers 0 .. levels-1 to [-1, 1]: v = 2x/(levels−1) − 1."""
    return x * (2.0 / (levels - 1)) - 1.0


def from_unit(v: Tensor, levels: int) -> Tensor:
    """Round values of [-1, 1] to the nearest integer of 0 .. levels-1, int64; clamp values outside."""
    return ((v + 1.0) * (0.5 * (levels - 1))).round().clamp(0, levels - 1).long()


def log1mexp(d: Tensor) -> Tensor:
    """Compute log(1 − exp(−d)) for d > 0, without cancellation at either end (Mächler 2012)."""
    d = d.clamp(min=torch.finfo(d.dtype).tiny)
    # Clamped to where it is finite: the unused branch would have the gradient 0 · inf.
    far = d.clamp(min=0.693)
    return torch.where(d < 0.693, torch.log(-torch.expm1(-d)), torch.log1p(-torch.exp(-far)))


def log_mass(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Compute log P(x) of a logistic on [-1, 1] in ``levels`` bins; the outer bins reach to infinity.

    With the bin's standardised upper and lower edge a and b and the logistic function σ,
    P = σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(−(a−b))): each factor has an exact logarithm. So no
    fallback to a density is needed, and the probabilities sum to one for any parameters. (Salimans et al.
    2017, PixelCNN++, sec. 2.1, states the form; its published evaluation does not sum to one.)

    :param x: integers 0 .. levels-1, broadcast against ``mean`` and ``log_scale``
    """
    half = 1.0 / (levels - 1)
    inv_scale = torch.exp(-log_scale)
    centred = to_unit(x.to(mean.dtype), levels) - mean
    # Bin edges in units of the scale; the outer bins are open, so that their factor is 1.
    log_upper = F.logsigmoid((centred + half) * inv_scale)
    log_lower = F.logsigmoid((half - centred) * inv_scale)
    bottom, top = x <= 0, x >= levels - 1
    width = log1mexp(2 * half * inv_scale)
    inner = log_upper + log_lower + width
    return torch.where(bottom, log_upper, torch.where(top, log_lower, inner))


def icdf(u: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Compute the quantile of the continuous logistic: μ + s·log(u/(1−u))."""
    return mean + torch.exp(log_scale) * torch.logit(u)


def expectation(mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """Compute E[x] under ``log_mass``, in 0 .. levels-1: Σ_{j≥1} P(x ≥ j) = Σ_j σ((μ − edge_j)/s)."""
    inv_scale = torch.exp(-log_scale)
    total = torch.zeros_like(mean)
    for j in range(1, levels):  # one edge at a time: all at once would need ``levels`` maps
        edge = (2 * j - 1) / (levels - 1) - 1
        total = total + torch.sigmoid((mean - edge) * inv_scale)
    return total
