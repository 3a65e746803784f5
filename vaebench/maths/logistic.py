"""Logistic distributions over the integers 0 .. levels-1, exactly, in logs."""

import torch
import torch.nn.functional as F
from torch import Tensor


def to_unit(x: Tensor, levels: int) -> Tensor:
    """Integers 0 .. levels-1 -> [-1, 1], floating: v = 2x/(levels−1) − 1."""
    return x * (2.0 / (levels - 1)) - 1.0


def from_unit(v: Tensor, levels: int) -> Tensor:
    """[-1, 1] -> the nearest integer of 0 .. levels-1, int64; what lies outside goes to the edges."""
    return ((v + 1.0) * (0.5 * (levels - 1))).round().clamp(0, levels - 1).long()


def log1mexp(d: Tensor) -> Tensor:
    """log(1 − exp(−d)) for d > 0, without cancellation at either end (Mächler 2012)."""
    d = d.clamp(min=torch.finfo(d.dtype).tiny)
    # Kept where it is finite: else its gradient would be 0 · inf where it is not taken.
    far = d.clamp(min=0.693)
    return torch.where(d < 0.693, torch.log(-torch.expm1(-d)), torch.log1p(-torch.exp(-far)))


def log_mass(x: Tensor, mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """log P(x) of a logistic on [-1, 1] cut into ``levels`` bins whose outer ones reach to infinity.

    With a, b the standardised upper and lower edge of the bin and σ the logistic function,
    P = σ(a) − σ(b) = σ(a) σ(−b) (1 − exp(−(a−b))): each factor has an exact logarithm, so there is no
    fallback to a density, and the levels sum to one for any parameters (PixelCNN++, Salimans et al. 2017,
    sec. 2.1, has the form; its published evaluation does not sum to one).

    :param x: integers 0 .. levels-1, broadcast against ``mean`` and ``log_scale``
    """
    half = 1.0 / (levels - 1)
    inv_scale = torch.exp(-log_scale)
    centred = to_unit(x.to(mean.dtype), levels) - mean
    # Bin edges in units of the scale; at the ends the bin is open, and its factor is 1.
    log_upper = F.logsigmoid((centred + half) * inv_scale)
    log_lower = F.logsigmoid((half - centred) * inv_scale)
    bottom, top = x <= 0, x >= levels - 1
    width = log1mexp(2 * half * inv_scale)
    inner = log_upper + log_lower + width
    return torch.where(bottom, log_upper, torch.where(top, log_lower, inner))


def icdf(u: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """The continuous logistic's quantile: μ + s·log(u/(1−u))."""
    return mean + torch.exp(log_scale) * torch.logit(u)


def expectation(mean: Tensor, log_scale: Tensor, levels: int) -> Tensor:
    """E[x] of ``log_mass``'s distribution, in 0 .. levels-1: Σ_{j≥1} P(x ≥ j) = Σ_j σ((μ − edge_j)/s)."""
    inv_scale = torch.exp(-log_scale)
    total = torch.zeros_like(mean)
    for j in range(1, levels):  # a sum in place: all edges at once would be ``levels`` maps
        edge = (2 * j - 1) / (levels - 1) - 1
        total = total + torch.sigmoid((mean - edge) * inv_scale)
    return total
