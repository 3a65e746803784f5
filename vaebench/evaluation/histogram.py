"""A baseline for bits/dim: independent pixels with histograms counted on the training split."""

import torch
from torch import Tensor

from vaebench.maths.units import bits_per_dim

CHUNK = 1 << 22
"""About how many pixel values are processed at once; each takes 16 bytes."""
LANES = 64
"""Torch sums columns in an order that depends on their number modulo the processor's vector width."""


def histogram_bits_per_dim(train: Tensor, test: Tensor, levels: int) -> float:
    """Bits/dim of the test images under add-one histograms per pixel: −log₂ (n_px + 1)/(N + levels).

    :param train: (N, C, H, W) integers 0 .. levels-1, as a model sees them
    """
    dims = train[0].numel()
    rows = max(1, CHUNK // dims // LANES) * LANES
    counts = torch.ones(dims, levels, dtype=torch.float64)
    unit = torch.ones((), dtype=torch.float64)
    for part in train.split(rows):
        flat = part.flatten(1).long().T
        counts.scatter_add_(1, flat, unit.expand(flat.shape))
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    # every piece has at least LANES columns, so that each image's sum is the same as over all images at once
    parts = test.tensor_split(list(range(rows, len(test) - LANES + 1, rows)))
    per_image = torch.cat([log_p.gather(1, part.flatten(1).long().T).sum(0) for part in parts])
    return bits_per_dim(-per_image.mean().item(), dims)
