"""Rounding of bounded channels, and the numbering of the grid that they round to."""

import math

import torch
from torch import Tensor, nn

EPSILON = 1e-3
"""The bounds lie this share outside the outer levels, so that those are reached by finite values."""


class Grid(nn.Module):
    """The product of L_1 .. L_d levels: K = Π L_i points, numbered with the first channel fastest.

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
        """(B, d, h, w) reals -> (−L/2, L/2) nearly, by tanh, centred so that rounding gives L integers."""
        half = (self.levels - 1).to(e.dtype) * ((1 + EPSILON) / 2)
        offset = 0.5 * (1 - self.levels % 2).to(e.dtype)
        return (e + torch.atanh(offset / half)).tanh() * half - offset

    def round(self, bounded: Tensor) -> Tensor:
        """Codes (B, h, w), int64, of bounded values."""
        digits = bounded.round().long() + self.levels // 2
        return (digits * self.basis).sum(1)

    def values(self, codes: Tensor) -> Tensor:
        """Codes (B, h, w) -> the integers of their channels, (B, d, h, w); the inverse of ``round``."""
        return codes.unsqueeze(1) // self.basis % self.levels - self.levels // 2

    def scaled(self, values: Tensor) -> Tensor:
        """Bounded values or integers, (B, d, h, w), into [-1, 1]."""
        return values / (self.levels // 2)
