"""The importance-weighted bound as a function of K."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import estimate, scored_in_turn
from vaebench.evaluation.precision import full_precision
from vaebench.evaluation.subset import evenly_spaced
from vaebench.model import Vae
from vaebench.records import Tightness


def ladder(most: int) -> tuple[int, ...]:
    """The values of K: 1, 3, 10, 30, 100, ... and ``most`` itself."""
    steps = (factor * 10**power for power in range(len(str(most))) for factor in (1, 3))
    return (*(k for k in steps if k < most), most)


@torch.inference_mode()
@full_precision()
def tightness(
    model: Vae,
    images: Tensor,
    count: int,
    most: int,
    draws: Draws,
    tick: Callable[[int], None] | None = None,
) -> Tightness:
    """−log of the K-sample bound for K of ``ladder(most)``, on ``count`` evenly spaced images.

    E[log (1/K) Σ_k w_k] rises towards log p(x) as K grows (Burda et al. 2016, theorem 1). For each image,
    ``most`` draws are cut into ⌊most/K⌋ blocks of K, whose bounds are averaged; the first of these bounds is
    the one that scoring with K samples gives.

    :param tick: called with the number of images done
    """
    numbers = evenly_spaced(len(images), count).to(images.device)
    steps = ladder(most)
    curves: list[Tensor] = []
    per_batch = max(1, draws.rows // most)
    for part in numbers.split(per_batch):
        parts = scored_in_turn(model, images[part], part, most, draws)
        weights = torch.cat([scored.log_weights().double() for _, _, scored in parts]).cpu()
        curves.append(torch.stack([_mean_bound(weights, k) for k in steps]))
        if tick is not None:
            tick(sum(curve.shape[1] for curve in curves))
    bounds = torch.cat(curves, 1)
    return Tightness(
        images=len(numbers), samples=steps, nll=tuple(estimate(-row, model.image.dims) for row in bounds)
    )


def _mean_bound(weights: Tensor, k: int) -> Tensor:
    """(most, B) log-weights -> (B,) the mean over blocks of k of log (1/k) Σ w."""
    blocks = len(weights) // k
    cut = weights[: blocks * k].unflatten(0, (blocks, k))
    return (cut.logsumexp(1) - math.log(k)).mean(0)
