"""Remarks at the end of a run if the scored weights perform differently than training suggested."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from vaebench.maths.units import bits_per_dim

RECENT = 20
"""The −ELBO of this many batches at the end of training is kept."""
_ERRORS = 3.0
"""A difference of more standard errors than this is not noise."""
_FAR = 0.1
"""A relative difference between test images and training up to this share causes no remark."""


def of_average(averaged: Tensor, raw: Tensor, dims: int, *, warms_up: bool) -> str | None:
    """A remark if the bounds of averaged and of last weights differ by more than noise, else None.

    The noise is the standard error of the mean difference over the same images.

    :param averaged: (N,) bound of each validation image with the weights that are scored, nats
    :param raw: (N,) the same with the last weights
    :param warms_up: whether the decay of the average rises with the step already
    """
    difference = averaged.double() - raw.double()
    mean, error = difference.mean().item(), _error(difference)
    scored, last = (bits_per_dim(bound.double().mean().item(), dims) for bound in (averaged, raw))
    if abs(mean) <= _ERRORS * error or f"{scored:.3f}" == f"{last:.3f}":
        return None
    line = (
        f"on the validation images the averaged weights reach {scored:.3f} bits/dim, "
        f"the last weights {last:.3f}"
    )
    remedy = "a smaller ema" if warms_up else "a smaller ema, or ema_warmup=true,"
    worse = f"; the averaged weights are scored; {remedy} forgets the first steps sooner"
    return line + (worse if mean > 0 else "")


def of_test(test: float, error: float | None, recent: Sequence[float], dims: int) -> str | None:
    """A remark if −ELBO on test images is far from that of the last training batches, else None.

    :param test: mean −ELBO of the test images, nats
    :param error: standard error of ``test``, None if unknown
    :param recent: mean −ELBO of each of the last training batches, nats
    """
    if len(recent) < 2 or error is None:
        return None
    batches = torch.tensor(recent, dtype=torch.float64)
    shown = batches.mean().item()
    noise = math.hypot(error, _error(batches))
    if abs(test - shown) <= max(_ERRORS * noise, _FAR * abs(shown)):
        return None
    costs, showed = bits_per_dim(test, dims), bits_per_dim(shown, dims)
    return f"the test images need {costs:.3f} bits/dim, the last training batches {showed:.3f}"


def _error(values: Tensor) -> float:
    return values.std().item() / math.sqrt(len(values)) if len(values) > 1 else math.inf
