"""Adaptive integration of densities in one or two dimensions, over cells that follow samples."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

LEAVES = {1: 64, 2: 64}
"""How many cells there are at first, each with as many samples, by dimension."""
FINE, COARSE = {1: 8, 2: 6}, {1: 5, 2: 4}
"""Gauss-Legendre points along a side of a cell, by dimension; their difference estimates the error."""
SMALL = 1e-4
"""The sum of the errors at which refinement stops."""
UNSEEN = 0.01
"""The largest share of the samples that counts as error where the points miss the density in their boxes."""
DEEPEST = 40
"""The largest number of times a cell is halved."""
MOST = 600_000
"""The largest number of points at which the density is evaluated."""


AT_ONCE = 2**20
"""How many pairs of a point and a box are compared at once."""


class Counted:
    """A density, (N, dims) -> (N,), that counts the points at which it is evaluated."""

    def __init__(self, density: Callable[[Tensor], Tensor]) -> None:
        self.density = density
        self.points = 0

    def __call__(self, points: Tensor) -> Tensor:
        self.points += len(points)
        return self.density(points)


@dataclass(frozen=True)
class Cells:
    """Boxes that together fill a larger box; corners (N, dims)."""

    low: Tensor
    high: Tensor

    def which(self, points: Tensor) -> Tensor:
        """Find the cell of each point (M, dims); the nearest one for points outside, (M,)."""
        low, high = self.low.amin(0), self.high.amax(0)
        inside = torch.minimum(torch.maximum(points, low), high)
        places = [
            ((some[:, None] >= self.low) & (some[:, None] <= self.high)).all(2).to(torch.uint8).argmax(1)
            for some in inside.split(max(1, AT_ONCE // len(self.low)))
        ]
        return torch.cat(places) if places else torch.zeros(0, dtype=torch.int64)


def cells_of(samples: Tensor) -> Cells:
    """Make cells that hold as many of the samples (M, dims) each, halved along one side after another.

    The outermost cells extend beyond the samples by the range of these.
    """
    low, high = samples.amin(0), samples.amax(0)
    margin = (high - low).clamp(min=1e-3)
    boxes = [(low - margin, high + margin, samples)]
    dims = samples.shape[1]
    while len(boxes) < LEAVES[dims]:
        axis = (len(boxes).bit_length() - 1) % dims
        boxes = [half for box in boxes for half in _halves(*box, axis)]
    return Cells(torch.stack([b[0] for b in boxes]), torch.stack([b[1] for b in boxes]))


def _halves(low: Tensor, high: Tensor, within: Tensor, axis: int) -> list[tuple[Tensor, Tensor, Tensor]]:
    ordered = within[within[:, axis].argsort()]
    half = len(ordered) // 2
    middle = ordered[half - 1 : half + 1, axis].mean()
    below, above = high.clone(), low.clone()
    below[axis] = above[axis] = middle
    return [(low, below, ordered[:half]), (above, high, ordered[half:])]


def integrate(density: Callable[[Tensor], Tensor], cells: Cells, samples: Tensor) -> tuple[Tensor, Tensor]:
    """Integrate the density over each cell; return the integrals and their estimated errors, (N,) each.

    A box is halved where its two rules differ, or where its integral disagrees with the samples (M, dims) in
    it (a peak between the points). The worst boxes are halved first, until the errors are small or the
    density was evaluated at ``MOST`` points. The error sums the remaining differences and the share of
    samples in boxes where the points miss the density.
    """
    dims, drawn = samples.shape[1], len(samples)
    total, error, unseen = (torch.zeros(len(cells.low), dtype=torch.float64) for _ in range(3))
    owner, boxes = torch.arange(len(cells.low)), cells
    left, cost = MOST, FINE[dims] ** dims + COARSE[dims] ** dims
    for depth in range(DEEPEST + 1):
        fine, difference, rough = _both(density, boxes)
        left -= len(fine) * cost
        inside = boxes.which(samples)
        counts = torch.bincount(inside, minlength=len(fine))
        surprise = (counts - fine * drawn).abs() - 1.2 * torch.maximum(counts, fine * drawn).sqrt()
        wrong = torch.maximum(difference, surprise / drawn)
        most = left // (4 * cost) if depth < DEEPEST else 0
        poor = _worst(wrong, max(0, most)) & (wrong > SMALL / len(fine))
        done = owner[~poor]
        total.index_add_(0, done, fine[~poor])
        error.index_add_(0, done, difference[~poor])
        unseen.index_add_(0, done, ((fine * drawn < 0.1 * counts) * counts.double() / drawn)[~poor])
        if not poor.any():
            break
        narrow = _concentration(boxes, samples, inside)
        axis = torch.where((surprise / drawn > difference)[:, None], narrow, rough).argmax(1)[poor]
        samples = samples[poor[inside]]
        owner, boxes = owner[poor].repeat(2), _halved(Cells(boxes.low[poor], boxes.high[poor]), axis)
    return total, error + unseen * (UNSEEN / unseen.sum().clamp(min=UNSEEN))


def _worst(wrong: Tensor, most: int) -> Tensor:
    """Mark the largest values, at most ``most`` of them."""
    mask = torch.zeros_like(wrong, dtype=torch.bool)
    mask[wrong.topk(min(most, len(wrong))).indices] = True
    return mask


def _concentration(boxes: Cells, samples: Tensor, inside: Tensor) -> Tensor:
    """The ratio of each side of a box to the standard deviation of the samples in it, (N, dims)."""
    mean, square = (torch.zeros_like(boxes.low) for _ in range(2))
    counts = torch.bincount(inside, minlength=len(mean)).clamp(min=1)[:, None]
    mean.index_add_(0, inside, samples)
    mean /= counts
    square.index_add_(0, inside, (samples - mean[inside]).square())
    return (boxes.high - boxes.low) / ((square / counts).sqrt() + 1e-300)


def _halved(boxes: Cells, axis: Tensor) -> Cells:
    """Halve each box along its axis (N,): first all lower halves, then all upper ones."""
    here = torch.nn.functional.one_hot(axis, boxes.low.shape[1]).bool()
    middle = (boxes.low + boxes.high) / 2
    below, above = torch.where(here, middle, boxes.high), torch.where(here, middle, boxes.low)
    return Cells(torch.cat([boxes.low, above]), torch.cat([below, boxes.high]))


def _both(density: Callable[[Tensor], Tensor], boxes: Cells) -> tuple[Tensor, Tensor, Tensor]:
    """The integral over each box, its error (N,), and the density's roughness along each side (N, dims)."""
    dims = boxes.low.shape[1]
    (fine, values), (coarse, _) = (_rule(density, boxes, n[dims]) for n in (FINE, COARSE))
    grid = values.reshape(-1, *[FINE[dims]] * dims)
    rough = [grid.diff(n=2, dim=1 + d).abs().flatten(1).sum(1) for d in range(dims)]
    return fine, (fine - coarse).abs(), torch.stack(rough, 1)


def _rule(density: Callable[[Tensor], Tensor], boxes: Cells, count: int) -> tuple[Tensor, Tensor]:
    dims, sides = boxes.low.shape[1], boxes.high - boxes.low
    place, weight = _gauss(count)
    places = torch.cartesian_prod(*[place] * dims).reshape(-1, dims)
    weights = torch.cartesian_prod(*[weight] * dims).reshape(-1, dims).prod(1)
    points = boxes.low[:, None] + sides[:, None] * places
    values = density(points.reshape(-1, dims)).double().reshape(len(sides), -1)
    return (values * weights).sum(1) * sides.prod(1), values


@cache
def _gauss(count: int) -> tuple[Tensor, Tensor]:
    """Gauss-Legendre points and weights on [0, 1]."""
    place, weight = np.polynomial.legendre.leggauss(count)
    return torch.tensor((place + 1) / 2), torch.tensor(weight / 2)
