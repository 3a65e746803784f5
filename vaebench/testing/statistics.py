"""Tests of samples whose rate of false alarms is stated."""

import math

import torch
from torch import Tensor

from vaebench.testing.law import hold

ALARM = 1e-6
"""The rate of false alarms of every statistical law, per example; examples are always the same ones."""
SIGMAS = 4.9
"""Of a normal deviate: two-sided rate ``ALARM``."""


def agree(counts: Tensor, p: Tensor, message: str) -> None:
    """Pearson's χ² of counts (N,) against probabilities (N,); cells due fewer than 8 are pooled.

    :raises LawBroken: above the quantile that a χ² exceeds at the rate ``ALARM``
    """
    n = counts.sum()
    due = p.double() * n
    likely = due >= 8
    seen = torch.cat([counts[likely].double(), counts[~likely].sum()[None].double()])
    wanted = torch.cat([due[likely], due[~likely].sum()[None]])
    if wanted[-1] < 8:  # too few for a cell of their own: join the rarest of the others
        if len(wanted) == 1:
            return
        rarest = int(wanted[:-1].argmin())
        wanted[rarest] += wanted[-1]
        seen[rarest] += seen[-1]
        wanted, seen = wanted[:-1], seen[:-1]
    statistic = ((seen - wanted).square() / wanted).sum().item()
    limit = quantile(max(1, len(seen) - 1))
    cell = int(((seen - wanted).square() / wanted).argmax())
    worst = f"{seen[cell]:.0f} where {wanted[cell]:.1f} were due"
    hold(statistic < limit, f"{message} (worst cell: {worst})", statistic, f"below {limit:.1f}")


def quantile(degrees: int) -> float:
    """The χ² with ``degrees`` degrees of freedom that is exceeded at the rate ``ALARM``."""
    from scipy.stats import chi2

    return float(chi2.isf(ALARM, degrees))


def mean_is(values: Tensor, expected: float, message: str, rounding: float = 1e-9) -> None:
    """The mean of independent values (N,) is as expected, within ``SIGMAS`` standard errors."""
    found = values.double().mean().item()
    error = values.double().std().item() / math.sqrt(len(values))
    said = f"{expected:.8g} ± {SIGMAS * error + rounding:.2g}"
    hold(abs(found - expected) <= SIGMAS * error + rounding, message, found, said)
