"""Statistical tests with a stated rate of false alarms."""

import math

import torch
from torch import Tensor

from vaebench.testing.law import hold

ALARM = 1e-6
"""The rate of false alarms of every statistical law, per example; the examples are always the same."""
SIGMAS = 4.9
"""Standard errors that a normal deviate exceeds, on either side, at the rate ``ALARM``."""


def agree(counts: Tensor, p: Tensor, message: str) -> None:
    """Test counts (N,) against probabilities (N,) by Pearson's χ².

    Cells with fewer than 8 expected counts are pooled.

    :raises LawBroken: where χ² is above the quantile that it exceeds at the rate ``ALARM``
    """
    n = counts.sum()
    due = p.double() * n
    likely = due >= 8
    seen = torch.cat([counts[likely].double(), counts[~likely].sum()[None].double()])
    expected = torch.cat([due[likely], due[~likely].sum()[None]])
    if expected[-1] < 8:  # too few for a cell of their own: join the rarest of the others
        if len(expected) == 1:
            return
        rarest = int(expected[:-1].argmin())
        expected[rarest] += expected[-1]
        seen[rarest] += seen[-1]
        expected, seen = expected[:-1], seen[:-1]
    statistic = ((seen - expected).square() / expected).sum().item()
    limit = quantile(max(1, len(seen) - 1))
    cell = int(((seen - expected).square() / expected).argmax())
    worst = f"{seen[cell]:.0f} counted where {expected[cell]:.1f} are expected"
    hold(statistic < limit, f"{message} (worst cell: {worst})", statistic, f"below {limit:.1f}")


def quantile(degrees: int) -> float:
    """The value that a χ² of ``degrees`` degrees of freedom exceeds at the rate ``ALARM``."""
    from scipy.stats import chi2

    return float(chi2.isf(ALARM, degrees))


def mean_is(values: Tensor, expected: float, message: str, rounding: float = 1e-9) -> None:
    """Test that the mean of independent values (N,) is as expected, within ``SIGMAS`` standard errors.

    :raises LawBroken: where it is not
    """
    mean = values.double().mean().item()
    error = values.double().std().item() / math.sqrt(len(values))
    interval = f"{expected:.8g} ± {SIGMAS * error + rounding:.2g}"
    hold(abs(mean - expected) <= SIGMAS * error + rounding, message, mean, interval)
