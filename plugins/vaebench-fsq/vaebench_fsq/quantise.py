"""Rounding of bounded channels, and the numbering of the resulting grid points."""

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-3
"""How far the bounds lie outside the outer levels, as a share, so that finite values reach these."""


class Grid(nn.Module):
    """The grid of L_1 × .. × L_d levels: K = Π L_i points, numbered with the first channel fastest.

    Channel i takes the L_i integers from −⌊L_i/2⌋ on, scaled by 1/⌊L_i/2⌋ into [-1, 1].
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        self.levels: Tensor
        self.basis: Tensor
        self.codes = math.prod(levels)
        basis = [math.prod(levels[:i]) for i in range(len(levels))]
        self.register_buffer("levels", torch.tensor(levels)[:, None, None], persistent=False)
        self.register_buffer("basis", torch.tensor(basis)[:, None, None], persistent=False)

    def bound(self, e: Tensor) -> Tensor:
        """Bound reals (B, d, h, w) to about (−L/2, L/2) by a tanh; rounding then gives L integers."""
        half = (self.levels - 1).to(e.dtype) * ((1 + EPSILON) / 2)
        offset = 0.5 * (1 - self.levels % 2).to(e.dtype)
        return (e + torch.atanh(offset / half)).tanh() * half - offset

    def round(self, bounded: Tensor) -> Tensor:
        """Compute the codes (B, h, w), int64, of bounded values (B, d, h, w)."""
        digits = bounded.round().long() + self.levels // 2
        return (digits * self.basis).sum(1)

    def values(self, codes: Tensor) -> Tensor:
        """Compute the channels' integers (B, d, h, w) of codes (B, h, w); the inverse of ``round``."""
        return codes.unsqueeze(1) // self.basis % self.levels - self.levels // 2

    def scaled(self, values: Tensor) -> Tensor:
        """Scale bounded values or integers, (B, d, h, w), to [-1, 1]."""
        return values / (self.levels // 2)
