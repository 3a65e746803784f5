"""Bounds on the log-likelihood of every image of a split: ELBO and importance-weighted bound."""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench import records
from vaebench.contracts import Group, Scored, Term
from vaebench.evaluation.codes import CodeUse
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.precision import full_precision
from vaebench.maths.units import bits_per_dim
from vaebench.model import Vae
from vaebench.noise import ImageNoise

ACTIVE = 0.01
"""A unit is active if its posterior mean's variance over images exceeds this (Burda et al. 2016)."""


@dataclass(frozen=True)
class Bounds:
    """Per-image terms of a split, float64 on the CPU, in nats per image."""

    iwae: Tensor
    """(N,) log (1/K) Σ_k p(x,z_k)/q(z_k|x)."""
    elbo: Tensor
    """(N,) ELBO, the mean over the K samples."""
    distortion: Tensor
    """(N,) −log p(x|z), the mean over the K samples."""
    rates: Tensor
    """(G, N) rate of each group, the mean over the K samples."""


class _Activity:
    """The variance of a group's posterior mean over images, or the use of its codes."""

    def __init__(self, group: Group) -> None:
        self.group = group
        self.count = 0
        self.total: Tensor | float = 0.0
        self.square: Tensor | float = 0.0
        self.use = None if group.codes is None else CodeUse(group.codes)

    def add(self, term: Term, samples: int) -> None:
        """Count the first sample of each image."""
        if self.use is not None:
            self.use.add(term.z[::samples])
        elif term.q is not None and term.q.mean is not None:
            mean = term.q.mean[::samples].double()
            self.count += len(mean)
            self.total = self.total + mean.sum(0)
            self.square = self.square + mean.square().sum(0)

    @property
    def active(self) -> int:
        if self.use is not None:
            return self.use.live
        if not isinstance(self.total, Tensor):
            return 0
        mean = self.total / self.count
        return int((self.square / self.count - mean.square() > ACTIVE).sum())

    @property
    def units(self) -> int:
        return self.group.codes or math.prod(self.group.shape)


def scored_in_turn(
    model: Vae, x: Tensor, numbers: Tensor, samples: int, draws: Draws
) -> Iterator[tuple[int, int, Scored]]:
    """Score ``samples`` draws of z for each image of x (B, C, H, W), ``draws.rows`` at a time.

    Yields the number of the first sample, the count k of samples, and their terms (k, B).

    :param numbers: (B,) the images' numbers in their split, which with the sample's number fix the noise
    """
    step = max(1, min(samples, draws.rows // len(x)))
    for first in range(0, samples, step):
        k = torch.arange(first, min(first + step, samples), device=x.device)
        noise = ImageNoise(draws.seed, numbers.repeat_interleave(len(k)), k.repeat(len(x)))
        yield first, len(k), model(x, noise, len(k))


@torch.inference_mode()
@full_precision()
def bounds(
    model: Vae,
    images: Tensor,
    samples: int,
    draws: Draws,
    see: Callable[[Scored, int], None] | None = None,
    tick: Callable[[int], None] | None = None,
) -> Bounds:
    """Score every image of ``images`` (N, C, H, W) with K = ``samples`` draws of z.

    :param see: called once for each batch of images with the terms of its first k samples, and k
    :param tick: called with the number of images done
    """
    per_batch = max(1, draws.rows // min(samples, draws.rows))
    numbers = torch.arange(len(images), device=images.device)
    done: list[tuple[Tensor, ...]] = []
    for start in range(0, len(images), per_batch):
        x, number = images[start : start + per_batch], numbers[start : start + per_batch]
        weights, elbos, distortions, rates = [], [], [], []
        for first, k, scored in scored_in_turn(model, x, number, samples, draws):
            weights.append(scored.log_weights().double())
            distortions.append(scored.distortion.double())
            rates.append(scored.kl().double())
            elbos.append(-distortions[-1] - rates[-1].sum(0))
            if see is not None and first == 0:
                see(scored, k)
        iwae = torch.logsumexp(torch.cat(weights), 0) - math.log(samples)
        done.append(
            (iwae, torch.cat(elbos).mean(0), torch.cat(distortions).mean(0), torch.cat(rates, 1).mean(1).T)
        )
        if tick is not None:
            tick(start + len(x))
    iwae, elbo, distortion, rate = (torch.cat(part).cpu() for part in zip(*done, strict=True))
    return Bounds(iwae, elbo, distortion, rate.T)


def estimate(nats: Tensor, dims: int) -> records.Estimate:
    """Mean over images (N,) and its standard error s/√N (unknown for N = 1), in nats and bits/dim."""
    mean = nats.mean().item()
    error = nats.std().item() / math.sqrt(len(nats)) if len(nats) > 1 else None
    return records.Estimate(
        nats=mean,
        nats_se=error,
        bits_per_dim=bits_per_dim(mean, dims),
        bits_per_dim_se=None if error is None else bits_per_dim(error, dims),
    )


def default_samples(groups: tuple[Group, ...]) -> int:
    """The default of K: 100 for one group, 10 for a hierarchy, 1 if all latents are codes."""
    if all(group.codes is not None for group in groups):
        return 1
    return 100 if len(groups) == 1 else 10


def score(
    model: Vae,
    images: Tensor,
    samples: int,
    draws: Draws,
    tick: Callable[[int], None] | None = None,
) -> records.LikelihoodScore:
    """Measure the likelihood scores of a record: bounds, rate, distortion and active units."""
    groups = model.latent.groups
    activity = [_Activity(group) for group in groups]
    exact = True

    def see(scored: Scored, k: int) -> None:
        nonlocal exact
        for term, counter in zip(scored.terms, activity, strict=True):
            counter.add(term, k)
            exact = exact and term.p.exact

    b = bounds(model, images, samples, draws, see, tick)
    dims = model.image.dims
    codes_only = all(group.codes is not None for group in groups)
    return records.LikelihoodScore(
        images=len(images),
        bound="exact" if not groups else "two-part" if codes_only else "iwae",
        samples=samples,
        exact_prior=exact,
        nll=estimate(-b.iwae, dims),
        elbo=estimate(-b.elbo, dims),
        rate=estimate(b.rates.sum(0), dims),
        distortion=estimate(b.distortion, dims),
        rate_per_group={g.name: r.mean().item() for g, r in zip(groups, b.rates, strict=True)},
        active_units={a.group.name: a.active for a in activity},
        units={a.group.name: a.units for a in activity},
        perplexity={a.group.name: a.use.perplexity for a in activity if a.use is not None},
    )
