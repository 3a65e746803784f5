"""Codebooks that are trained by gradient, or are moving averages of the vectors assigned to them."""

from typing import Literal

import torch
import torch.distributed as processes
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.maths import quantisation

COUNT_DECAY = 0.99
"""Decay of the running counts for codebooks that are trained by gradient."""


def _together() -> bool:
    return processes.is_available() and processes.is_initialized()


def _total(values: Tensor) -> Tensor:
    """Sum over all processes."""
    if _together():
        processes.all_reduce(values)
    return values


def _of_first_process(values: Tensor) -> Tensor:
    if _together():
        processes.broadcast(values, 0)
    return values


class Codebook(nn.Module):
    """K codes of D dimensions, with running counts of their use and replacement of unused codes.

    Only ``commit`` changes the running values, from the last look-up in training. The look-up of a skipped
    step is therefore ignored, and one that is recomputed in the backward pass counts once.

    :param init: codes start as samples of N(0, 1), or as vectors of the first training batch
    :param revive: codes whose running count is below this share of the mean count are replaced by vectors of
        the batch, and get the mean count; 0 replaces none
    :param decay: decay γ of the running counts, per step
    """

    weight: Tensor
    counts: Tensor
    started: Tensor

    def __init__(
        self, codes: int, dim: int, *, init: Literal["data", "normal"], revive: float, decay: float
    ) -> None:
        super().__init__()
        self.revive = revive
        self.decay = decay
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("started", torch.tensor(init == "normal"))
        self._seen: tuple[Tensor, Tensor] | None = None

    def forward(self, vectors: Tensor) -> Tensor:
        """Find the nearest codes of vectors (N, D), int64 (N,); in eval mode the lowest of equal codes."""
        vectors = vectors.detach()
        if self.training and not self.started:
            self._start(vectors)
        codes = quantisation.nearest(vectors, self.weight)
        if self.training:
            self._seen = (vectors, codes)
            return codes
        # Replaced codes may be equal; the choice among them must not depend on the batch.
        return quantisation.first_of_equals(self.weight)[codes]

    def _start(self, vectors: Tensor) -> None:
        """Set every code to one of the vectors; no vector is used twice before all are used."""
        # A separate generator: the recomputation in the backward pass must draw the same numbers.
        generator = torch.Generator().manual_seed(torch.initial_seed())
        order = torch.randperm(len(vectors), generator=generator).to(vectors.device)
        codes = torch.arange(len(self.counts), device=vectors.device)
        drawn = _of_first_process(vectors[order[codes % len(order)]])
        self._replace(torch.ones_like(codes, dtype=torch.bool), drawn, self.counts.new_ones(()))
        self.started.fill_(True)

    def look_up(self, codes: Tensor) -> Tensor:
        """Return the vectors (*shape, D) of codes of any shape."""
        return F.embedding(codes, self.weight)

    def penalty(self, vectors: Tensor, quantised: Tensor) -> dict[str, Tensor]:
        """Compute the penalties per image, (B,), of vectors (B, ...) and their codes' vectors."""
        return {}

    @torch.no_grad()
    def commit(self) -> None:
        """Update running values from the last look-up, over all processes, and replace unused codes."""
        if self._seen is None:
            return
        vectors, codes = self._seen
        self._seen = None
        self._take_in(vectors, codes)
        if self.revive:
            mean = self.counts.mean()
            dead = self.counts < self.revive * mean
            self.counts.copy_(torch.where(dead, mean, self.counts))
            drawn = torch.randint(len(vectors), dead.shape).to(vectors.device)
            self._replace(dead, _of_first_process(vectors[drawn]), mean)

    def _average(self, running: Tensor, new: Tensor) -> None:
        running.mul_(self.decay).add_(_total(new), alpha=1 - self.decay)

    def _take_in(self, vectors: Tensor, codes: Tensor) -> None:
        self._average(self.counts, quantisation.counts(codes, len(self.counts)).to(self.counts.dtype))

    @torch.no_grad()
    def _replace(self, which: Tensor, vectors: Tensor, mass: Tensor) -> None:
        """Replace the codes of the mask ``which`` (K,) by vectors (K, D), each with a count of ``mass``."""
        self.weight.copy_(torch.where(which[:, None], vectors, self.weight))


class GradientCodebook(Codebook):
    """A codebook trained by ‖sg[z] − e‖² (van den Oord et al. 2017, eq. 3)."""

    def __init__(self, codes: int, dim: int, *, init: Literal["data", "normal"], revive: float) -> None:
        super().__init__(codes, dim, init=init, revive=revive, decay=COUNT_DECAY)
        self.weight = nn.Parameter(torch.randn(codes, dim))

    def penalty(self, vectors: Tensor, quantised: Tensor) -> dict[str, Tensor]:
        return {"codebook": (quantised - vectors.detach()).square().flatten(1).sum(1)}


class EmaCodebook(Codebook):
    """A codebook of moving averages (van den Oord et al. 2017, app. A.1).

    N ← γN + (1−γ)n, m ← γm + (1−γ)Σz, e ← m/N with smoothed N. As in the published code, ``sums`` starts as
    the codebook for either start of the counts. With counts of 0, an unused code grows by γ/ε in its first
    step; with counts of 1 it never grows.

    :param eps: ε of the Laplace smoothing of the counts
    :param counts: start of the running counts
    """

    sums: Tensor

    def __init__(
        self,
        codes: int,
        dim: int,
        *,
        init: Literal["data", "normal"],
        revive: float,
        decay: float,
        eps: float,
        counts: Literal["one", "zero"],
    ) -> None:
        super().__init__(codes, dim, init=init, revive=revive, decay=decay)
        self.eps = eps
        if counts == "zero":
            self.counts.zero_()
        self.register_buffer("weight", torch.randn(codes, dim))
        self.register_buffer("sums", self.weight.clone())

    def _take_in(self, vectors: Tensor, codes: Tensor) -> None:
        super()._take_in(vectors, codes)
        self._average(self.sums, quantisation.sums(vectors, codes, len(self.counts)))
        self.weight.copy_(quantisation.smoothed_means(self.counts, self.sums, self.eps))

    @torch.no_grad()
    def _replace(self, which: Tensor, vectors: Tensor, mass: Tensor) -> None:
        super()._replace(which, vectors, mass)
        self.sums.copy_(torch.where(which[:, None], mass * vectors, self.sums))
