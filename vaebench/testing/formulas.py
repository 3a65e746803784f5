"""The losses of the built-in objectives, computed a second time in plain numbers (``Objective.formula``)."""

import math
from collections.abc import Callable, Sequence
from statistics import fmean

from vaebench.contracts import Group, ImageShape, Objective, Progress
from vaebench.objectives.beta import Beta
from vaebench.objectives.capacity import Capacity
from vaebench.objectives.elbo import Elbo
from vaebench.objectives.iwae import Iwae

Formula = Callable[..., float]


def formula_of(objective: type[Objective]) -> Formula | None:
    """The class's own formula, or else the one stated here for the class or a base class."""
    if objective.formula is not None:
        return objective.formula
    return next((FORMULAS[base] for base in objective.__mro__ if base in FORMULAS), None)


def elbo(
    distortions: Sequence[float],
    rates: Sequence[Sequence[float]],
    log_weights: Sequence[float],
    progress: Progress,
    groups: Sequence[Group],
    image: ImageShape,
    *,
    warmup: float,
    hold: float,
    min_weight: float,
    free_bits: float,
    balance: bool,
) -> float:
    """``Elbo``: mean distortion + w·Σ_g γ_g max(KL_g, λ)."""
    start, rise = hold * progress.total_steps, max(1.0, warmup * progress.total_steps)
    step = progress.step - start
    weight = 0.0 if step < 0 else 1.0 if warmup == 0 else step / rise
    weight = min(1.0, max(min_weight, weight))
    means = [fmean(rate) for rate in rates]
    pressure = [1.0] * len(means)
    if balance and weight < 1 and means:
        places = [math.prod(g.shape if g.codes is not None else g.shape[1:]) for g in groups]
        maps = [g.shape if g.codes is not None else g.shape[1:] for g in groups]
        raw = [(abs(k) + 0.01) * maps.count(m) / p for k, m, p in zip(means, maps, places, strict=True)]
        pressure = [r / fmean(raw) for r in raw]
    return fmean(distortions) + weight * math.fsum(
        g * max(k, free_bits) for g, k in zip(pressure, means, strict=True)
    )


def beta(
    distortions: Sequence[float],
    rates: Sequence[Sequence[float]],
    log_weights: Sequence[float],
    progress: Progress,
    groups: Sequence[Group],
    image: ImageShape,
    *,
    beta: float,
    scale: str,
    warmup: float,
) -> float:
    """``Beta``: mean distortion + w·β·Σ_g KL_g."""
    if scale == "normalised":
        beta *= image.channels * image.height * image.width / sum(math.prod(g.shape) for g in groups)
    rise = min(1.0, progress.step / max(1.0, warmup * progress.total_steps)) if warmup else 1.0
    return fmean(distortions) + rise * beta * math.fsum(fmean(rate) for rate in rates)


def capacity(
    distortions: Sequence[float],
    rates: Sequence[Sequence[float]],
    log_weights: Sequence[float],
    progress: Progress,
    groups: Sequence[Group],
    image: ImageShape,
    *,
    gamma: float,
    c_max: float,
    rise: float,
) -> float:
    """``Capacity``: mean distortion + γ·|Σ_g KL_g − C|."""
    share = min(1.0, progress.step / max(1.0, rise * progress.total_steps)) if rise else 1.0
    return fmean(distortions) + gamma * abs(math.fsum(fmean(rate) for rate in rates) - c_max * share)


def iwae(
    distortions: Sequence[float],
    rates: Sequence[Sequence[float]],
    log_weights: Sequence[float],
    progress: Progress,
    groups: Sequence[Group],
    image: ImageShape,
    *,
    samples: int,
) -> float:
    """``Iwae``: −log of the mean importance weight."""
    most = max(log_weights)
    return -most - math.log(fmean(math.exp(weight - most) for weight in log_weights))


FORMULAS: dict[type, Formula] = {Elbo: elbo, Beta: beta, Capacity: capacity, Iwae: iwae}
