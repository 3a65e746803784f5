"""The baseline that places a number: every pixel independent, its histogram counted on the training split."""

import torch
from torch import Tensor

from vaebench.maths.units import bits_per_dim

CHUNK = 1 << 22
"""Pixel values that are counted or looked up at a time, about; each takes 16 bytes."""
LANES = 64
"""torch sums columns in an order that depends on their number modulo the width of the processor's vectors."""


def histogram_bits_per_dim(train: Tensor, test: Tensor, levels: int) -> float:
    """Bits/dim of the test images under per-pixel add-one histograms: −log₂ (n_px + 1)/(N + levels).

    :param train: (N, C, H, W) integers 0 .. levels-1, as a model sees them
    """
    dims = train[0].numel()
    rows = max(1, CHUNK // dims // LANES) * LANES
    counts = torch.ones(dims, levels, dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)
    for part in train.split(rows):
        flat = part.flatten(1).long().T
        counts.scatter_add_(1, flat, one.expand(flat.shape))
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    # no cut leaves fewer than LANES columns, so that every image's sum is that of all images at once
    parts = test.tensor_split(list(range(rows, len(test) - LANES + 1, rows)))
    per_image = torch.cat([log_p.gather(1, part.flatten(1).long().T).sum(0) for part in parts])
    return bits_per_dim(-per_image.mean().item(), dims)
