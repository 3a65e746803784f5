"""Mixtures of diagonal normals, shared by the priors ``mog`` and ``vamp``."""

import math

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vaebench.distributions import DiagonalNormal, Distribution, check_shape
from vaebench.maths import gaussian
from vaebench.noise import Noise

LARGEST = 2**24
"""The largest number of values (rows x components x dimensions) at once: 64 MiB in float32."""


def _log_densities(rows: Tensor, location: Tensor, log_std: Tensor) -> Tensor:
    """Compute log N(z_b; μ_k, σ_k²) of rows (B, D) under components (K, D): (B, K) nats.

    Differences are computed directly; a matrix product of the expanded square would cancel in float32.
    """
    squares = ((rows[:, None] - location) * torch.exp(-log_std)).square().sum(2)
    return -0.5 * squares - (log_std + gaussian.HALF_LOG_2PI).sum(1)


class NormalMixture(Distribution):
    """p(z) = Σ_k w_k N(z; μ_k, σ_k²), one mixture for a whole batch; its log-density is exact.

    :param components: K diagonal normals, moments (K, *shape)
    :param batch: the number of latents to draw
    :param logits: (K,) unnormalised log-weights; None: w_k = 1/K
    """

    def __init__(self, components: DiagonalNormal, batch: int, logits: Tensor | None = None) -> None:
        self.components = components
        self.batch = batch
        self.logits = logits

    @property
    def log_weights(self) -> Tensor:
        """The log weights, log w_k, (K,)."""
        if self.logits is None:
            count = len(self.components.location)
            return self.components.location.new_full((count,), -math.log(count))
        return self.logits.to(self.components.location.dtype).log_softmax(0)

    @property
    def mean(self) -> Tensor:
        """Σ_k w_k μ_k, (B, *shape)."""
        mean = torch.tensordot(self.log_weights.exp(), self.components.location, 1)
        return mean.expand(self.batch, *mean.shape)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw a component by its weight, then z; the temperature multiplies the component's deviation."""
        u = noise.uniform(self.components.location.new_empty(self.batch, 1)).flatten()
        ends = self.log_weights.exp().cumsum(0)[:-1].contiguous()
        picked = torch.searchsorted(ends, u, right=True)
        chosen = DiagonalNormal(self.components.location[picked], self.components.log_std[picked])
        return chosen.sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, (len(z), *self.components.location.shape[1:]))
        rows = z.flatten(1)
        location, log_std = self.components.location.flatten(1), self.components.log_std.flatten(1)
        at_once = max(1, LARGEST // max(1, rows.numel()))
        if at_once >= len(location):
            log_densities = _log_densities(rows, location, log_std)
        else:
            pieces = [
                # Recomputed in the backward pass, which would otherwise keep all pieces.
                checkpoint(_log_densities, rows, m, s, use_reentrant=False, preserve_rng_state=False)
                for m, s in zip(location.split(at_once), log_std.split(at_once), strict=True)
            ]
            log_densities = torch.cat(pieces, 1)
        return (log_densities + self.log_weights).logsumexp(1)
