"""Laws of the bounds on log p(x), on models whose evidence has a closed form."""

import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.evaluation.draws import Draws
from vaebench.testing.known import evidence, linear_gaussian, use_exact_posterior
from vaebench.testing.law import Law, close, hold
from vaebench.testing.statistics import ALARM, SIGMAS
from vaebench.testing.strategies import seeds
from vaebench.testing.subject import Function, Subject

CONTRACT = "vaebench/evaluation/likelihood.py; Burda et al. 2016 (IWAE), theorem 1"


def cases(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of dimensions, latents and seed."""
    return st.fixed_dictionaries({"dims": st.integers(1, 4), "latents": st.integers(1, 3), "seed": seeds})


def images(dims: int, count: int, seed: int) -> Tensor:
    """Draw images (count, 1, 1, dims) of 9 levels."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 9, (count, 1, 1, dims), generator=generator)


def _mean_and_error(values: Tensor) -> tuple[float, float]:
    return values.mean().item(), SIGMAS * values.std().item() / math.sqrt(len(values)) + 1e-9


def bounds_are_in_order(subject: Function, dims: int, latents: int, seed: int) -> None:
    """Compare ELBO, IWAE-32 and the exact log p(x)."""
    model = linear_gaussian(dims, latents, seed)
    x = images(dims, 1, seed).expand(300, -1, -1, -1)
    exact = evidence(model, x)[0].item()
    few, many = subject.target(model, x, 1, Draws(rows=4000)), subject.target(model, x, 32, Draws(rows=9600))
    elbo, elbo_error = _mean_and_error(few.elbo)
    iwae, iwae_error = _mean_and_error(many.iwae)
    hold(elbo <= iwae + elbo_error + iwae_error, "ELBO is above IWAE-32", elbo, f"at most {iwae:.6g}")
    hold(iwae <= exact + iwae_error, "IWAE-32 is above log p(x)", iwae, f"at most {exact:.6g}")
    # the estimate of p(x) is unbiased, so it exceeds p(x) k-fold with probability at most 1/k (Markov)
    limit = exact + math.log(len(x) / ALARM)
    hold(
        many.iwae.max() <= limit,
        "the largest IWAE-32 of an image",
        many.iwae.max().item(),
        f"at most {limit:.6g}",
    )
    same = many.elbo.mean().item()
    hold(
        abs(same - elbo) <= elbo_error + 1e-9, "the ELBO from 32 samples, against the ELBO from 1", same, elbo
    )


def exact_posterior_is_exact(subject: Function, dims: int, latents: int, seed: int) -> None:
    """Compare IWAE-7 under the true posterior with log p(x)."""
    latents = min(latents, dims)
    model = linear_gaussian(dims, latents, seed)
    use_exact_posterior(model)
    x = images(dims, 5, seed)
    close(
        subject.target(model, x, 7, Draws(rows=35)).iwae,
        evidence(model, x),
        "IWAE-7 with the true posterior, against log p(x)",
        1e-8,
    )


def converges(subject: Function, dims: int, latents: int, seed: int) -> None:
    """Check that log p(x) − IWAE-K falls with K."""
    model = linear_gaussian(3, 2, 3)
    use_exact_posterior(model)
    with torch.no_grad():
        bias = model.latent.get_parameter("moments.bias")
        bias.add_(0.7)  # shifted and widened, so that the weights stay bounded
    x = images(3, 20, 3)
    exact = evidence(model, x).mean().item()
    gaps = [exact - subject.target(model, x, k, Draws(rows=20 * k)).iwae.mean().item() for k in (1, 30, 1000)]
    hold(
        gaps[0] > gaps[1] > gaps[2] > -0.02,
        "log p(x) − IWAE-K for K = 1, 30, 1000",
        gaps,
        "falling, positive",
    )
    hold(gaps[2] < 0.05 * gaps[0], "log p(x) − IWAE-1000", gaps[2], f"below {0.05 * gaps[0]:.3g}")


def every_image_counts(subject: Function, dims: int, latents: int, seed: int) -> None:
    """Compare the scores at several numbers of rows at a time."""
    model = linear_gaussian(dims, latents, seed)
    x = images(dims, 11, seed)
    whole = subject.target(model, x, 6, Draws(rows=10**6))
    hold(len(whole.iwae) == 11, "images scored of 11", len(whole.iwae), 11)
    for at_once in (1, 6, 24, 64):
        scores = subject.target(model, x, 6, Draws(rows=at_once))
        hold(len(scores.iwae) == 11, f"images scored of 11, {at_once} rows at a time", len(scores.iwae), 11)
        for name in ("iwae", "elbo", "distortion"):
            close(getattr(scores, name), getattr(whole, name), f"{name} with {at_once} rows at a time", 1e-9)


ESTIMATORS = (
    Law(
        "bounds are in order",
        "In expectation ELBO ≤ IWAE-K ≤ log p(x), on linear-Gaussian models with exact evidence.",
        CONTRACT,
        bounds_are_in_order,
        cases,
        10,
    ),
    Law(
        "is exact for the exact posterior",
        "With the true posterior every importance weight is p(x), so IWAE-K equals log p(x).",
        CONTRACT,
        exact_posterior_is_exact,
        cases,
        10,
    ),
    Law("converges", "IWAE-K rises to log p(x) with K.", CONTRACT, lambda s: converges(s, 3, 2, 3)),
    Law(
        "every image counts",
        "Each image is scored once for any number of rows at a time; the last batch is not dropped.",
        CONTRACT,
        every_image_counts,
        cases,
        5,
    ),
)
