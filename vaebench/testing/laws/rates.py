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
    """Add strong noise to the weights too: where q and p are close, KL(p‖q) ≈ KL(q‖p) to second order."""
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
        # groups below the root depend on the sample above; the difference has mean zero all the same
        difference = q.log_prob(term.z) - term.p.log_prob(term.z) - rate
        mean_is(difference, 0.0, f"group {name}: log q − log p at samples, minus the rate", 1e-8)


def _kl_of(q: Any, p: Any) -> Tensor:
    """Σ ½(σq²/σp² + (μq − μp)²/σp² − 1) − log σq/σp, (B,)."""
    variance = (2 * p.log_std).exp()
    terms = 0.5 * (((2 * q.log_std).exp() + (q.location - p.location).square()) / variance - 1)
    return (terms + p.log_std - q.log_std).flatten(1).sum(1)


def density_is_of_the_samples(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Check E_q[h(z)/q(z)] = ∫h = 1 for a normal h around the samples' mean, with half their deviation."""
    model = composed(subject, image, parameters, seed)
    x = random_images(image, 1, seed).expand(DRAWS, -1, -1, -1)
    term = model.infer(x, TorchNoise(torch.Generator().manual_seed(seed))).terms[0]
    q = posterior_of(term)
    z = term.z.flatten(1).double()
    mean = q.mean
    if mean is not None:
        for i, deviations in enumerate((z - mean.flatten(1).double()).unbind(1)):
            mean_is(deviations, 0.0, f"dimension {i} of posterior samples, minus the posterior's mean", 1e-9)
    if z.shape[1] > 6:
        return  # the weights would vary too much
    centred = z - z.mean(0)
    factor = torch.linalg.cholesky(0.25 * torch.cov(centred.T).reshape(z.shape[1], -1))
    h = torch.distributions.MultivariateNormal(z.mean(0), scale_tril=factor)
    weights = (h.log_prob(z) - q.log_prob(term.z)).exp()
    mean_is(weights, 1.0, "E_q[h(z)/q(z)] over posterior samples, for a density h")


def root_is_the_first_posterior(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare ``root`` with the first posterior of a walk."""
    model = composed(subject, image, parameters, seed)
    x = random_images(image, 3, seed)
    root = model.latent.root(model.encoder(model.normalise(x)))
    first = inferred(model, image, seed).terms[0]
    q = posterior_of(first)
    elsewhere = first.z + torch.randn_like(first.z)
    for where, z in (("its sample", first.z), ("another z", elsewhere)):
        message = f"log q of root() at {where}, against the walk's first posterior"
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
        "log q is the density of the samples (E_q[h(z)/q(z)] = 1 for a density h), with their mean.",
        CONTRACT + ".walk",
        density_is_of_the_samples,
        _small,
        tries=6,
        unless=lacks("real"),
    ),
    Law(
        "root is the first posterior",
        "root(features) has the density of the first posterior of a walk, at any z.",
        CONTRACT + ".root",
        root_is_the_first_posterior,
        models,
        tries=8,
        unless=lacks("density"),
    ),
)
