"""A record computed again, in float64, by formulas of this file's own.

From the product come the model's parts as they were built (encoder, walk, decoder, likelihood of a pixel),
the noise that belongs to an image, and the data; nothing that averages, weighs, ranks or names a score.
"""

import hashlib
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset, Generate, Infer, Term
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise


def seed_for(*parts: int | str) -> int:
    """63 bits of BLAKE2b over the run's seed and what it is for."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") // 2


def weights_sha256(weights: dict[str, Tensor]) -> str:
    """What a record names the weights by."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        array = weights[name].numpy()
        digest.update(f"{name} {weights[name].dtype} {array.shape}\n".encode() + array.tobytes())
    return digest.hexdigest()


def log_normal(z: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
    each = -((z - mean) ** 2) / (2 * torch.exp(2 * log_std)) - log_std - math.log(2 * math.pi) / 2
    return each.flatten(1).sum(1)


def log_density(of: Any, z: Tensor) -> Tensor:
    """log of(z), (B,) nats, of a posterior or prior that a walk names."""
    if hasattr(of, "log_std"):
        return log_normal(z, of.mean, of.log_std)
    if hasattr(of, "components"):  # a mixture of equal weights
        pairs = zip(of.components.mean, of.components.log_std, strict=True)
        each = torch.stack([log_normal(z, mean, log_std) for mean, log_std in pairs])
        return torch.logsumexp(each, 0) - math.log(len(each))
    if hasattr(of, "zeros"):  # uniform over codes
        return torch.full((len(z),), -z[0].numel() * math.log(of.codes), dtype=torch.float64)
    if hasattr(of, "codes"):  # inferred with certainty
        return torch.zeros(len(z), dtype=torch.float64)
    return of.log_prob(z)


def divergence(term: Term) -> Tensor:
    """KL(q‖p), (B,) nats: of two normals in closed form, else log q − log p at z."""
    q, p = term.q, term.p
    if not (hasattr(q, "log_std") and hasattr(p, "log_std")):
        return log_density(q, term.z) - log_density(p, term.z)
    q_var, p_var = torch.exp(2 * q.log_std), torch.exp(2 * p.log_std)
    each = p.log_std - q.log_std + (q_var + (q.mean - p.mean) ** 2) / (2 * p_var) - 0.5
    return each.flatten(1).sum(1)


def inferred(model: Vae, x: Tensor, noise: Noise) -> tuple[list[Term], Tensor]:
    """A walk for the images x (B, C, H, W), and their distortion −log p(x|z), (B,) nats."""
    features = model.encoder((x - model.shift) / model.scale)
    walk = model.latent.walk(features, Infer(), model.prior, noise, len(x))
    pixels = model.output.likelihood.log_prob_pixels(model.output.head(model.decoder(walk.features, x)), x)
    return walk.terms, -pixels.flatten(1).sum(1)


@dataclass
class Draw:
    """One draw of z for each image."""

    log_weight: Tensor
    distortion: Tensor
    """(N,)"""
    rates: Tensor
    """(G, N)"""
    seen: list[Tensor]
    """Per group, (N, units): the posterior's mean, or the codes."""


@torch.no_grad()
def draw(model: Vae, images: Tensor, numbers: Tensor, sample: int, seed: int) -> Draw:
    """The terms of draw number ``sample`` for the images of these numbers in their split."""
    noise = ImageNoise(seed, numbers, torch.full_like(numbers, sample))
    terms, distortion = inferred(model, images.to(next(model.parameters()).dtype), noise)
    ratio = sum(log_density(t.q, t.z) - log_density(t.p, t.z) for t in terms)
    seen = [(t.z if t.group.codes else t.q.mean).flatten(1) for t in terms]  # type: ignore[union-attr]
    return Draw(-distortion - ratio, distortion, torch.stack([divergence(t) for t in terms]), seen)


def estimate(nats: Tensor, dims: int) -> dict[str, float]:
    values = nats.double().numpy()
    mean, error = values.mean(), values.std(ddof=1) / len(values) ** 0.5
    in_bits = 1 / (dims * math.log(2))
    return {
        "nats": mean,
        "nats_se": error,
        "bits_per_dim": mean * in_bits,
        "bits_per_dim_se": error * in_bits,
    }


def importance_bound(log_weights: Tensor) -> Tensor:
    """−log (1/K) Σ_k w_k, (N,), of (K, N)."""
    most = log_weights.max(0).values
    return -(most + torch.log(torch.exp(log_weights.double() - most).mean(0)))


def likelihood(model: Vae, data: Dataset, scoring: dict[str, Any]) -> dict[str, Any]:
    """The likelihood part of a record, but for its words."""
    test, shape = data.test.images, data.test.images.shape
    dims = shape[1] * shape[2] * shape[3]
    numbers = torch.arange(len(test))
    draws = [draw(model, test, numbers, k, scoring["noise_seed"]) for k in range(scoring["samples"])]
    distortion = torch.stack([d.distortion.double() for d in draws]).mean(0)
    rates = torch.stack([d.rates.double() for d in draws]).mean(0)
    groups = model.latent.groups
    table: dict[str, Any] = {
        "images": len(test),
        "samples": scoring["samples"],
        "nll": estimate(importance_bound(torch.stack([d.log_weight for d in draws])), dims),
        "elbo": estimate(distortion + rates.sum(0), dims),
        "rate": estimate(rates.sum(0), dims),
        "distortion": estimate(distortion, dims),
        "rate_per_group": {g.name: r.mean().item() for g, r in zip(groups, rates, strict=True)},
        "active_units": {},
        "units": {},
    }
    for group, seen in zip(groups, draws[0].seen, strict=True):
        if group.codes is None:
            table["active_units"][group.name] = int((seen.double().numpy().var(0) > 0.01).sum())
            table["units"][group.name] = seen.shape[1]
            continue
        _, used = np.unique(seen.numpy(), return_counts=True)
        share = used / used.sum()
        table["active_units"][group.name], table["units"][group.name] = len(used), group.codes
        table.setdefault("perplexity", {})[group.name] = math.exp(-(share * np.log(share)).sum())
    return table


def tightness(model: Vae, data: Dataset, scoring: dict[str, Any]) -> dict[str, Any]:
    """The bound at K = 1, 3, 10 … of the same draws, in blocks of K, on images spread over the split."""
    test, most = data.test.images, scoring["follow"]
    count = min(scoring["follow_images"], len(test))
    numbers = torch.tensor([i * (len(test) - 1) // (count - 1) for i in range(count)])
    draws = [draw(model, test[numbers], numbers, k, scoring["noise_seed"]) for k in range(most)]
    weights = torch.stack([d.log_weight.double() for d in draws])
    steps = [k for k in (1, 3, 10, 30, 100) if k < most] + [most]
    falls = []
    for k in steps:
        blocks = [importance_bound(weights[i * k : (i + 1) * k]) for i in range(most // k)]
        falls.append(estimate(torch.stack(blocks).mean(0), test[0].numel()))
    return {"images": count, "samples": steps, "nll": falls}


@torch.no_grad()
def generated(model: Vae, scoring: dict[str, Any], count: int) -> Tensor:
    """Integer samples x ~ p(x|z), z ~ p(z) at the temperature, as many at a time as scoring draws."""
    pieces = []
    for numbers in torch.arange(count).split(scoring["score_batch"]):
        noise = ImageNoise(seed_for(scoring["noise_seed"], "generate"), numbers)
        source = Generate(scoring["temperature"])
        walk = model.latent.walk(None, source, model.prior, noise, len(numbers))
        parameters = model.output.head(model.decoder(walk.features, None))
        pieces.append(model.output.likelihood.sample(parameters, noise))
    return torch.cat(pieces)


def histogram(train: Tensor, test: Tensor, levels: int) -> float:
    """Bits/dim of the test images where each pixel has the add-one histogram of the training split."""
    total = 0.0
    ours, theirs = (images.flatten(1).numpy().astype(int).T for images in (train, test))
    for seen, asked in zip(ours, theirs, strict=True):
        share = (np.bincount(seen, minlength=levels) + 1) / (len(seen) + levels)
        total -= np.log2(share[asked]).sum()
    return total / theirs.size


def frechet(a: np.ndarray, b: np.ndarray) -> float:
    """|μ_a − μ_b|² + tr Σ_a + tr Σ_b − 2 tr (Σ_a Σ_b)^½, the last from the eigenvalues of Σ_a Σ_b."""
    sigma_a, sigma_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    roots = np.sqrt(np.linalg.eigvals(sigma_a @ sigma_b).astype(complex)).real.sum()
    apart = ((a.mean(0) - b.mean(0)) ** 2).sum()
    return float(apart + np.trace(sigma_a) + np.trace(sigma_b) - 2 * roots)


def mmd(a: np.ndarray, b: np.ndarray) -> float:
    """The unbiased squared MMD under (x·y/width + 1)³."""
    m, n = len(a), len(b)

    def kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (x @ y.T / x.shape[1] + 1) ** 3

    own = sum((kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b))
    return float(own - 2 * kernel(a, b).sum() / (m * n))


def _shuffles(generator: torch.Generator, count: int) -> Iterator[np.ndarray]:
    while True:
        yield torch.randperm(count, generator=generator).numpy()


def fid(ours: np.ndarray, theirs: np.ndarray) -> dict[str, float]:
    """FID at N and at infinity, KID and its standard error, of features (N, width) against (M, width)."""
    n = len(ours)
    at_n = frechet(ours, theirs)
    shuffles = list(itertools.islice(_shuffles(torch.Generator().manual_seed(0), n), 4))
    inverses, scores = [1 / n], [at_n]
    for quarter in (1.25, 1.5, 1.75, 2.0):
        size = round(n / quarter)
        inverses.append(1 / size)
        scores.append(sum(frechet(ours[order[:size]], theirs) for order in shuffles) / 4)
    design = np.stack([np.ones(5), np.array(inverses)], 1)
    intercept = np.linalg.lstsq(design, np.array(scores), rcond=None)[0][0]
    least = min(n, len(theirs))
    size = max(2, min(1000, least // 10))
    generator = torch.Generator().manual_seed(0)
    cut = []
    for features in (ours, theirs):
        order = next(_shuffles(generator, len(features)))
        cut.append([features[order[i : i + size]] for i in range(0, len(order) - size + 1, size)])
    blocks, others = cut[0][: least // size], cut[1]
    each = len(others) // len(blocks)
    means = [
        np.mean([mmd(block, other) for other in others[i * each : (i + 1) * each]])
        for i, block in enumerate(blocks)
    ]
    error = np.std(means, ddof=1) / len(means) ** 0.5
    return {"fid": at_n, "fid_extrapolated": intercept, "kid": float(np.mean(means)), "kid_se": float(error)}
