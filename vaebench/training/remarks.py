"""What a run says at its end where the weights that are scored are not what training showed."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.maths.units import bits_per_dim

RECENT = 20
"""Batches at the end of training whose −ELBO is kept."""
_ERRORS = 3.0
"""Standard errors that are no longer noise."""
_FAR = 0.1
"""Share of what training showed by which the test images may differ without a word."""


def of_average(averaged: Tensor, raw: Tensor, dims: int) -> str | None:
    """A line where the average's bound and that of the last weights differ by more than noise, else None.

    The noise is the standard error of the mean difference over the same images.

    :param averaged: (N,) bound of each validation image with the weights that are scored, nats
    :param raw: (N,) the same with the last weights
    """
    difference = averaged.double() - raw.double()
    mean, error = difference.mean().item(), _error(difference)
    one, other = (bits_per_dim(each.double().mean().item(), dims) for each in (averaged, raw))
    if abs(mean) <= _ERRORS * error or f"{one:.3f}" == f"{other:.3f}":
        return None
    line = (
        f"on the validation images the averaged weights give {one:.3f} bits/dim, the last weights {other:.3f}"
    )
    worse = (
        "; the averaged ones are scored: a smaller ema, or ema_warmup=true, forgets the first steps sooner"
    )
    return line + (worse if mean > 0 else "")


def of_test(test: float, error: float | None, recent: Sequence[float], dims: int) -> str | None:
    """A line where the test images cost far more or less than the last batches of training, else None.

    :param test: mean of the test images, nats, and ``error`` its standard error, None where it is unknown
    :param recent: means of training's last batches, nats
    """
    if len(recent) < 2 or error is None:
        return None
    batches = torch.tensor(recent, dtype=torch.float64)
    shown = batches.mean().item()
    noise = math.hypot(error, _error(batches))
    if abs(test - shown) <= max(_ERRORS * noise, _FAR * abs(shown)):
        return None
    costs, showed = bits_per_dim(test, dims), bits_per_dim(shown, dims)
    return f"the test images cost {costs:.3f} bits/dim, the last batches of training {showed:.3f}"


def _error(values: Tensor) -> float:
    return values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
