"""The baseline that places a number: every pixel independent, its histogram counted on the training split."""

import torch
from torch import Tensor

from vaebench.maths.units import bits_per_dim


def histogram_bits_per_dim(train: Tensor, test: Tensor, levels: int) -> float:
    """Bits/dim of the test images under per-pixel add-one histograms: −log₂ (n_px + 1)/(N + levels).

    :param train: (N, C, H, W) integers 0 .. levels-1, as a model sees them
    """
    flat, seen = train.flatten(1).long(), test.flatten(1).long()
    counts = torch.ones(flat.shape[1], levels, dtype=torch.float64)
    counts.scatter_add_(1, flat.T, torch.ones(flat.T.shape, dtype=torch.float64))
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    nats = -log_p.gather(1, seen.T).sum(0).mean().item()
    return bits_per_dim(nats, flat.shape[1])
