"""Codebooks: learned by gradient, or as an exponential moving average of the vectors they stand for."""

from typing import Literal

import torch
import torch.distributed as processes
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.maths import quantisation

COUNT_DECAY = 0.99
"""Of the running counts where the codebook itself is no average."""


def _together() -> bool:
    return processes.is_available() and processes.is_initialized()


def _total(values: Tensor) -> Tensor:
    """The sum over all processes."""
    if _together():
        processes.all_reduce(values)
    return values


def _of_first_process(values: Tensor) -> Tensor:
    if _together():
        processes.broadcast(values, 0)
    return values


class Codebook(nn.Module):
    """K codes of D dimensions, how often each is used, and what becomes of those that are not.

    A look-up in training is remembered, and ``commit`` takes it in once: a skipped step's is forgotten by the
    next look-up, and one that is recomputed in the backward pass counts once.

    :param init: codes start as N(0, 1), or as vectors of the first batch that training looks up
    :param revive: codes whose running count falls under this share of the mean count are replaced by vectors
        of the batch, with the mean count; 0 is never
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
        """(N, D) -> the nearest codes, int64 (N,); in evaluation the lowest of those that are equal."""
        vectors = vectors.detach()
        if self.training and not self.started:
            self._start(vectors)
        codes = quantisation.nearest(vectors, self.weight)
        if self.training:
            self._seen = (vectors, codes)
            return codes
        # Codes that were revived as one vector: which of them is taken must not depend on the batch.
        return quantisation.first_of_equals(self.weight)[codes]

    def _start(self, vectors: Tensor) -> None:
        """Every code becomes one of the vectors; none is taken twice before each was once."""
        # A generator of its own: recomputed in the backward pass, this step must not find the default one
        # further on than it was.
        generator = torch.Generator().manual_seed(torch.initial_seed())
        order = torch.randperm(len(vectors), generator=generator).to(vectors.device)
        codes = torch.arange(len(self.counts), device=vectors.device)
        drawn = _of_first_process(vectors[order[codes % len(order)]])
        self._replace(torch.ones_like(codes, dtype=torch.bool), drawn, self.counts.new_ones(()))
        self.started.fill_(True)

    def look_up(self, codes: Tensor) -> Tensor:
        """Codes of any shape -> their vectors, (*shape, D)."""
        return F.embedding(codes, self.weight)

    def penalty(self, vectors: Tensor, found: Tensor) -> dict[str, Tensor]:
        """What it adds to the loss per image, (B,), for vectors (B, ...) and what was found for them."""
        return {}

    @torch.no_grad()
    def commit(self) -> None:
        """Take in the last look-up, of all processes, and revive what is not used."""
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
        """Put vectors (K, D) in the place of the codes ``which``, a mask (K,), as if used ``mass`` times."""
        self.weight.copy_(torch.where(which[:, None], vectors, self.weight))


class GradientCodebook(Codebook):
    """Codes trained by ‖sg[z] − e‖² (van den Oord et al. 2017, eq. 3)."""

    def __init__(self, codes: int, dim: int, *, init: Literal["data", "normal"], revive: float) -> None:
        super().__init__(codes, dim, init=init, revive=revive, decay=COUNT_DECAY)
        self.weight = nn.Parameter(torch.randn(codes, dim))

    def penalty(self, vectors: Tensor, found: Tensor) -> dict[str, Tensor]:
        return {"codebook": (found - vectors.detach()).square().flatten(1).sum(1)}


class EmaCodebook(Codebook):
    """N ← γN + (1−γ)n, m ← γm + (1−γ)Σz, e ← m/N with smoothed N (van den Oord et al. 2017, app. A.1).

    ``sums`` starts as the codebook whatever the counts start from, as in the published code: from 0, a code
    that is not used grows by γ/ε in its first step; from 1, it never grows.
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
