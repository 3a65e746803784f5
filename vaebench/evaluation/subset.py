"""Which images of a split are used where a few must do."""

import torch
from torch import Tensor


def evenly_spaced(total: int, count: int) -> Tensor:
    """``count`` numbers of 0 .. total-1, evenly spread; all of them where there are no more."""
    shown = min(count, total)
    return torch.arange(shown) * (total - 1) // max(shown - 1, 1)
