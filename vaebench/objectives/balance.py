"""KL balancing between the groups of a hierarchy."""

import math
from collections import Counter

import torch
from torch import Tensor

from vaebench.contracts import Group


def places(group: Group) -> tuple[int, ...]:
    """Return (H, W) of a group: real latents are (C, H, W), codes (H, W)."""
    return group.shape if group.codes is not None else group.shape[1:]


def sizes(groups: tuple[Group, ...]) -> Tensor:
    """Compute α_g, (G,): the places of group g's map over the number of groups with maps of its size."""
    shared = Counter(places(group) for group in groups)
    return torch.tensor([math.prod(places(g)) / shared[places(g)] for g in groups], dtype=torch.float64)


def coefficients(kl: Tensor, alpha: Tensor) -> Tensor:
    """Compute γ_g ∝ (E|KL_g| + 0.01)/α_g with mean 1, (G,), without gradient (Vahdat & Kautz 2020, app. A).

    A group with a small rate for its size gets a smaller weight, so that no group collapses early.

    :param kl: (G, B) nats per image; the expectation is over the batch
    """
    raw = (kl.detach().abs().mean(1) + 0.01) / alpha.to(kl)
    return raw / raw.mean()
