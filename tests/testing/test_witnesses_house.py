"""Faulty formulas, estimators and metrics, and the laws that see them; and that no law goes unwitnessed."""

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from vaebench.evaluation import fid
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.fid import Moments
from vaebench.evaluation.likelihood import Bounds, bounds
from vaebench.maths import gaussian
from vaebench.model import Vae
from vaebench.testing.laws import LAWS

from . import (
    test_witnesses_autoregression,
    test_witnesses_codes,
    test_witnesses_latents,
    test_witnesses_likelihoods,
    test_witnesses_networks,
    test_witnesses_objectives,
    test_witnesses_planted,
    test_witnesses_priors,
)
from .witness import Witness, bites


def log_variance(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    return gaussian.kl(mq, 0.5 * sq, mp, 0.5 * sp)


def symmetric(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    """½(KL(q‖p) + KL(p‖q)), the second with its sign turned: identically zero where means are equal."""
    return 0.5 * (gaussian.kl(mq, sq, mp, sp) - gaussian.kl(mq, sq, mp, sp))


def summed(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    return gaussian.kl(mq, sq, mp, sp).sum()


def detached(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    return gaussian.kl(mq, sq, mp, sp.detach() + 0 * sp)


def variances(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    """The textbook's form: exp overflows where the divergence does not."""
    var_q, var_p = (2 * sq).exp(), (2 * sp).exp()
    return 0.5 * (var_q / var_p + (mq - mp).square() / var_p - 1 + (var_p / var_q).log())


def differences(mq: Tensor, sq: Tensor, mp: Tensor, sp: Tensor) -> Tensor:
    """Correct in form, but σ²/σ² − 1 cancels."""
    ratio = sq - sp
    return 0.5 * ((2 * ratio).exp() - 1) - ratio + 0.5 * ((mq - mp) / sp.exp()).square()


def without_half(mean: Tensor, log_std: Tensor) -> Tensor:
    return mean.square() + torch.expm1(2 * log_std) - 2 * log_std


def without_scale(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    return -0.5 * ((z - mean) / log_std.exp()).square() - gaussian.HALF_LOG_2PI


def summed_weights(model: Vae, images: Tensor, samples: int, draws: Draws) -> Bounds:
    """log Σ w where log mean w is due."""
    found = bounds(model, images, samples, draws)
    return replace(found, iwae=found.iwae + math.log(samples))


def positive(model: Vae, images: Tensor, samples: int, draws: Draws) -> Bounds:
    """Weights of the positive loss: −log mean exp(loss), an upper bound's opposite."""
    each = torch.stack(
        [bounds(model, images, 1, replace(draws, seed=draws.seed + k)).iwae for k in range(samples)]
    )
    return replace(
        bounds(model, images, samples, draws), iwae=-(torch.logsumexp(-each, 0) - math.log(samples))
    )


def drops_last(model: Vae, images: Tensor, samples: int, draws: Draws) -> Bounds:
    """A loader with drop_last=True."""
    per_batch = max(1, draws.rows // min(samples, draws.rows))
    kept = len(images) // per_batch * per_batch or len(images)
    return bounds(model, images[:kept], samples, draws)


def per_process(generated: Tensor, reference: Tensor, *rest: Any, batch: int, **other: Any) -> Any:
    """Covariances averaged over batches, as over processes."""
    found = fid.score(generated, reference, *rest, batch=batch, **other)
    extractor = rest[1]

    def averaged(images: Tensor) -> Moments:
        parts = [fid.moments(extractor(p, 256)) for p in images.split(max(2, batch)) if len(p) > 1]
        means, covariances = ([getattr(p, n) for p in parts] for n in ("mean", "covariance"))
        return Moments(torch.stack(means).mean(0), torch.stack(covariances).mean(0))

    return replace_fid(found, fid.frechet(averaged(generated), averaged(reference)))


def replace_fid(found: Any, value: float) -> Any:
    import msgspec

    return msgspec.structs.replace(found, fid=value)


def biased(generated: Tensor, reference: Tensor, *rest: Any, **other: Any) -> Any:
    """A floor under the distance, as a regularised covariance leaves."""
    found = fid.score(generated, reference, *rest, **other)
    return replace_fid(found, found.fid + 0.01)


def unrooted(generated: Tensor, reference: Tensor, *rest: Any, **other: Any) -> Any:
    """The distance of the means alone."""
    found = fid.score(generated, reference, *rest, **other)
    a, b = (x.flatten(1).double().mean(0) / 255 for x in (generated, reference))
    return replace_fid(found, float((a - b).square().sum()))


def unflagged(generated: Tensor, reference: Tensor, *rest: Any, **other: Any) -> Any:
    import msgspec

    return msgspec.structs.replace(fid.score(generated, reference, *rest, **other), few_images=False)


WITNESSES = [
    Witness("kl", "is the integral", log_variance, "quadrature", "a log variance taken for a log std"),
    Witness(
        "kl", "is the mean over samples", log_variance, "mean of log q/p", "a log variance for a log std"
    ),
    Witness("kl", "is a divergence", symmetric, "differ", "a symmetric KL that is identically zero"),
    Witness("kl", "adds over dimensions", summed, "per element", "a sum in the wrong place"),
    Witness("kl", "gradients match differences", detached, "log σp", "a prior that is detached"),
    Witness("kl", "stable at extremes", variances, "extreme", "variances where their logs are at hand"),
    Witness("kl", "keeps its digits", differences, "near-equal", "exp − 1 where expm1 is at hand"),
    Witness("kl-standard", "is a special case", without_half, "general form", "a KL without its half"),
    Witness("density", "integrates to one", without_scale, "integral", "a density without −log σ"),
    Witness("estimator", "bounds are in order", positive, "", "IWAE weights from the positive loss"),
    Witness(
        "estimator",
        "is exact for the exact posterior",
        summed_weights,
        "true posterior",
        "log Σ w for log mean w",
    ),
    Witness("estimator", "converges", positive, "K = 1, 30, 1000", "IWAE weights from the positive loss"),
    Witness("estimator", "every image counts", drops_last, "of 11", "a last partial batch dropped"),
    Witness(
        "metric", "batches change nothing", per_process, "batches", "covariances averaged per process in FID"
    ),
    Witness("metric", "a set has no distance from itself", biased, "themselves", "a regularised covariance"),
    Witness("metric", "is the distance of two normals", unrooted, "tr(S", "the means alone"),
    Witness("metric", "too few images are flagged", unflagged, "few_images", "few images, unsaid"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)


def test_every_law_has_a_witness() -> None:
    modules = (
        test_witnesses_autoregression,
        test_witnesses_codes,
        test_witnesses_latents,
        test_witnesses_likelihoods,
        test_witnesses_networks,
        test_witnesses_objectives,
        test_witnesses_planted,
        test_witnesses_priors,
    )
    seen = {w.law for module in modules for w in module.WITNESSES} | {w.law for w in WITNESSES}
    unseen = sorted({law.name for laws in LAWS.values() for law in laws} - seen)
    assert not unseen
