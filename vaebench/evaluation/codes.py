"""How often each code of a group is used."""

import torch
from torch import Tensor


class CodeUse:
    """Counts of the codes 0 .. K-1 over images and places.

    :param codes: K
    """

    def __init__(self, codes: int) -> None:
        self.counts = torch.zeros(codes, dtype=torch.int64)
        """(K,) on the CPU."""

    def add(self, z: Tensor) -> None:
        """Count the codes (B, *places), int64."""
        self.counts += torch.bincount(z.flatten(), minlength=len(self.counts)).cpu()

    @property
    def live(self) -> int:
        """Codes that are used at all."""
        return int((self.counts > 0).sum())

    @property
    def perplexity(self) -> float:
        """exp of the entropy (nats) of the codes' empirical distribution: 1 for one code, K for even use."""
        share = self.counts.double() / self.counts.sum()
        return torch.special.entr(share).sum().exp().item()
