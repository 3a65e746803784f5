"""Counts how often each code of a group is used."""

import torch
from torch import Tensor


class CodeUse:
    """Counts of the codes 0 .. K-1 over images and positions.

    :param codes: K, the size of the codebook
    """

    def __init__(self, codes: int) -> None:
        self.counts = torch.zeros(codes, dtype=torch.int64)
        """(K,) int64, on the CPU."""

    def add(self, z: Tensor) -> None:
        """Count codes of shape (B, *positions), int64."""
        self.counts += torch.bincount(z.flatten(), minlength=len(self.counts)).cpu()

    @property
    def live(self) -> int:
        """How many codes are used at least once."""
        return int((self.counts > 0).sum())

    @property
    def perplexity(self) -> float:
        """The exponential of the entropy of the empirical distribution: 1 for one code, K if uniform."""
        share = self.counts.double() / self.counts.sum()
        return torch.special.entr(share).sum().exp().item()
