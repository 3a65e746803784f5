"""Which images of a split are used when a subset is enough."""

import torch
from torch import Tensor


def evenly_spaced(total: int, count: int) -> Tensor:
    """Choose ``count`` evenly spaced numbers from 0 .. total-1, or all if there are no more."""
    chosen = min(count, total)
    return torch.arange(chosen) * (total - 1) // max(chosen - 1, 1)
