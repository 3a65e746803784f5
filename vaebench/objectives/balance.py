"""KL balancing between the groups of a hierarchy."""

import math
from collections import Counter

import torch
from torch import Tensor

from vaebench.contracts import Group


def places(group: Group) -> tuple[int, ...]:
    """The size of a group's map: (H, W) of reals (C, H, W) and of codes (H, W)."""
    return group.shape if group.codes is not None else group.shape[1:]


def sizes(groups: tuple[Group, ...]) -> Tensor:
    """α_g: places of group g's map (the squared resolution), over the groups that have maps of its size."""
    shared = Counter(places(group) for group in groups)
    return torch.tensor([math.prod(places(g)) / shared[places(g)] for g in groups], dtype=torch.float64)


def coefficients(kl: Tensor, alpha: Tensor) -> Tensor:
    """γ_g ∝ (E|KL_g| + 0.01)/α_g with mean 1, (G,), without gradient (Vahdat & Kautz 2020, app. A).

    A group with a small rate for its size is pressed less, so that none collapses early.

    :param kl: (G, B) nats per image; the expectation is over the batch
    """
    raw = (kl.detach().abs().mean(1) + 0.01) / alpha.to(kl)
    return raw / raw.mean()
