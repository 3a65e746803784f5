"""Laws of a latent layer's posteriors: their densities, their samples and the rates KL(q‖p)."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape
from vaebench.distributions import DiagonalNormal, StandardNormal, kl
from vaebench.noise import TorchNoise
from vaebench.testing.law import Law, close, hold
from vaebench.testing.laws.latents import CONTRACT, composed, inferred, lacks, posterior_of
from vaebench.testing.statistics import mean_is
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, Subject, random_images

DRAWS = 4000
NORMALS = (DiagonalNormal, StandardNormal)
"""Distributions whose densities are plain normals."""


def _small(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    return models(subject, 1, 4)


def _shaken(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    hard = st.fixed_dictionaries({"shake": st.sampled_from([1.0, 0.1])})
    return st.tuples(_small(subject), hard).map(lambda both: both[0] | both[1])


def rates_are_the_integral(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, shake: float
) -> None:
    """Weights shaken hard as well: where q and p are close, KL(p‖q) is KL(q‖p) to the second order."""
    model = composed(subject, image, parameters, seed, shake)
    x = random_images(image, 1, seed).expand(DRAWS, -1, -1, -1)
    walk = model.infer(x, TorchNoise(torch.Generator().manual_seed(seed)))
    for term in walk.terms:
        q, name = posterior_of(term), term.group.name
        rate = kl(q, term.p, term.z)
        hold(rate.shape == (DRAWS,), f"group {name}: the shape of the rates", tuple(rate.shape), (DRAWS,))
        if isinstance(q, DiagonalNormal) and isinstance(term.p, DiagonalNormal):
            hold(rate.min() >= -1e-9, f"group {name}: a rate is negative", rate.min().item(), "0 or more")
        if type(q) in NORMALS and type(term.p) in NORMALS:
            close(
                rate, _kl_of(q, term.p), f"group {name}: the rate, against KL(q‖p) of two normals", 1e-7, 1e-7
            )
        # groups below the root depend on the draw above: the difference has mean zero in any case
        difference = q.log_prob(term.z) - term.p.log_prob(term.z) - rate
        mean_is(difference, 0.0, f"group {name}: log q − log p at samples, less the rate", 1e-8)


def _kl_of(q: Any, p: Any) -> Tensor:
    """Σ ½(σq²/σp² + (μq − μp)²/σp² − 1) − log σq/σp, (B,)."""
    variance = (2 * p.log_std).exp()
    each = 0.5 * (((2 * q.log_std).exp() + (q.location - p.location).square()) / variance - 1)
    return (each + p.log_std - q.log_std).flatten(1).sum(1)


def density_is_of_the_samples(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """E_q[h(z)/q(z)] = ∫h = 1, for a normal h inside the samples: half as wide, around their mean."""
    model = composed(subject, image, parameters, seed)
    x = random_images(image, 1, seed).expand(DRAWS, -1, -1, -1)
    term = model.infer(x, TorchNoise(torch.Generator().manual_seed(seed))).terms[0]
    q = posterior_of(term)
    z = term.z.flatten(1).double()
    mean = q.mean
    if mean is not None:
        for i, of_place in enumerate((z - mean.flatten(1).double()).unbind(1)):
            mean_is(of_place, 0.0, f"dimension {i} of samples of the posterior, less its mean", 1e-9)
    if z.shape[1] > 6:
        return  # too many dimensions for weights of a small spread
    centred = z - z.mean(0)
    factor = torch.linalg.cholesky(0.25 * torch.cov(centred.T).reshape(z.shape[1], -1))
    h = torch.distributions.MultivariateNormal(z.mean(0), scale_tril=factor)
    weights = (h.log_prob(z) - q.log_prob(term.z)).exp()
    mean_is(weights, 1.0, "the posterior's density and its samples: E_q[h(z)/q(z)] with ∫h = 1")


def root_is_the_first_posterior(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    model = composed(subject, image, parameters, seed)
    x = random_images(image, 3, seed)
    root = model.latent.root(model.encoder(model.normalise(x)))
    first = inferred(model, image, seed).terms[0]
    q = posterior_of(first)
    elsewhere = first.z + torch.randn_like(first.z)
    for where, z in (("its sample", first.z), ("another z", elsewhere)):
        message = f"log q of root at {where}, against that of the walk's first posterior"
        close(root.log_prob(z), q.log_prob(z), message)


RATES = (
    Law(
        "rates are KL(q‖p)",
        "Each group's rate is the mean of log q − log p over 4,000 samples, within 4.9 standard errors.",
        "vaebench/distributions.py, kl; Kingma & Welling 2014, app. B",
        rates_are_the_integral,
        _shaken,
        tries=6,
    ),
    Law(
        "posterior density and samples agree",
        "E_q[h(z)/q(z)] is one for a normalised h: log q is the samples' density, its mean theirs.",
        CONTRACT + ".walk",
        density_is_of_the_samples,
        _small,
        tries=6,
        unless=lacks("real"),
    ),
    Law(
        "root is the first posterior",
        "root(features) has the density of the walk's first group, at any z.",
        CONTRACT + ".root",
        root_is_the_first_posterior,
        models,
        tries=8,
        unless=lacks("density"),
    ),
)
