"""FID (Heusel et al. 2017) and KID (Bińkowski et al. 2018), from one pass over the images' features.

The bias of FID is positive and about proportional to 1/N, so FID is given at N and extrapolated to infinity
by a line in 1/N (Chong & Forsyth 2020, section 3). KID is unbiased at any N. Statistics are computed in
float64 on the CPU.
"""

import contextlib
import hashlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import safetensors
import safetensors.torch
import torch
from torch import Tensor

from vaebench.contracts import FeatureExtractor
from vaebench.errors import UsageError, refused
from vaebench.evaluation.precision import full_precision
from vaebench.records import Fid
from vaebench.storage import caches
from vaebench.storage.files import write_atomic

_LOG = logging.getLogger(__name__)
MINIMUM = 4
"""The fewest generated and reference images; with fewer, no score has a standard error."""
SIZES, SHUFFLES = 5, 4
"""The line is fitted to ``SIZES`` sizes from N/2 to N, evenly spaced in 1/N, each of ``SHUFFLES`` subsets."""
KID_BLOCKS, KID_BLOCK, KID_REFERENCE = 10, 1000, 10_000
"""For KID: the fewest blocks, the most images in a block, and how many reference images are kept."""
WORTH_CACHING = 30.0
"""If extraction takes this many seconds, the statistics of the reference are cached on disk."""
FORMAT = 2
"""Version of the cached statistics, which follow their own SHA-256; raise it when they change."""
_DIGEST = 32


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean (width,) and covariance (width, width) of features, float64."""

    mean: Tensor
    covariance: Tensor


@dataclass(frozen=True, slots=True)
class Reference:
    """Statistics of the reference images: their moments, and the features of a random subset for KID."""

    moments: Moments
    sample: Tensor


def moments(features: Tensor) -> Moments:
    """Mean and unbiased covariance of features (N, width)."""
    return Moments(features.mean(0), torch.cov(features.T).reshape(features.shape[1], -1))


def frechet(a: Moments, b: Moments) -> float:
    """|μ_a − μ_b|² + tr(Σ_a + Σ_b − 2 (Σ_a Σ_b)^½), by torch-fidelity (Heusel et al. 2017, equation 6)."""
    from torch_fidelity.metric_fid import KEY_METRIC_FID, fid_statistics_to_metric

    pair = ({"mu": m.mean.numpy(), "sigma": m.covariance.numpy()} for m in (a, b))
    return float(fid_statistics_to_metric(*pair, verbose=False)[KEY_METRIC_FID])


def extrapolate(features: Tensor, reference: Moments, seed: int = 0) -> tuple[float, float]:
    """FID at N, and FID for N → ∞ as the intercept of a least-squares line in 1/N.

    The line passes through FID at ``SIZES`` sizes between N/2 and N, each the mean over ``SHUFFLES`` random
    subsets. Over a wider range of sizes the bias is not linear in 1/N when N is only a few times
    the width.

    :param features: (N, width) float64
    """
    n = len(features)
    generator = torch.Generator().manual_seed(seed)
    shuffles = [torch.randperm(n, generator=generator) for _ in range(SHUFFLES)]
    at_n = frechet(moments(features), reference)
    inverses, fids = [1 / n], [at_n]
    for inverse in np.linspace(1 / n, 2 / n, SIZES)[1:]:
        size = round(1 / inverse)
        subsets = [frechet(moments(features[shuffle[:size]]), reference) for shuffle in shuffles]
        inverses.append(1 / size)
        fids.append(float(np.mean(subsets)))
    return at_n, float(np.polyfit(inverses, fids, 1)[1])


def kid(features: Tensor, reference: Tensor, seed: int = 0) -> tuple[float, float | None]:
    """KID, the unbiased squared MMD under (x·y/width + 1)³, by torch-fidelity, and its standard error.

    The images are cut into disjoint blocks, which are independent, so that the standard deviation over blocks
    gives a standard error; that of the usual overlapping subsets does not. Every block is compared to equally
    many blocks of the reference. The error of a single block is unknown: None.

    :param features: (N, width) float64, as is ``reference``; at least ``MINIMUM`` of each
    """
    from torch_fidelity.metric_kid import KEY_METRIC_KID_MEAN, kid_features_to_metric

    n = min(len(features), len(reference))
    size = max(2, min(KID_BLOCK, n // KID_BLOCKS))
    generator = torch.Generator().manual_seed(seed)
    ours = _blocks(features, size, generator)[: n // size]
    theirs = _blocks(reference, size, generator)
    share = len(theirs) // len(ours)

    def mmd(x: Tensor, y: Tensor) -> float:
        return kid_features_to_metric(x, y, kid_subsets=1, kid_subset_size=size, verbose=False)[
            KEY_METRIC_KID_MEAN
        ]

    means = [
        np.mean([mmd(block, other) for other in theirs[i * share : (i + 1) * share]])
        for i, block in enumerate(ours)
    ]
    error = float(np.std(means, ddof=1) / len(means) ** 0.5) if len(means) > 1 else None
    return float(np.mean(means)), error


def _blocks(features: Tensor, size: int, generator: torch.Generator) -> list[Tensor]:
    """Disjoint random blocks of exactly ``size`` rows."""
    shuffled = features[torch.randperm(len(features), generator=generator)]
    return list(shuffled[: len(features) // size * size].split(size))


def _features(images: Tensor, levels: int, extractor: FeatureExtractor, batch: int) -> Iterator[Tensor]:
    """The features of one batch after the other, on the CPU."""
    for part in images.split(batch):
        yield extractor(part, levels).cpu()


def _describe(images: Tensor, levels: int, extractor: FeatureExtractor, batch: int, seed: int) -> Reference:
    """Statistics of the reference in one pass; few features are kept, as there may be a million images."""
    n, width = len(images), extractor.width
    kept = torch.zeros(n, dtype=torch.bool)
    kept[torch.randperm(n, generator=torch.Generator().manual_seed(seed))[:KID_REFERENCE]] = True
    origin: Tensor | None = None
    total = torch.zeros(width, dtype=torch.float64)
    squares = torch.zeros(width, width, dtype=torch.float64)
    sample = []
    batches = _features(images, levels, extractor, batch)
    for features, keep in zip(batches, kept.split(batch), strict=True):
        x = features.double()
        origin = x.mean(0) if origin is None else origin  # sums of squares about 0 would cancel
        x = x - origin
        total += x.sum(0)
        squares += x.T @ x
        sample.append(features[keep].float())
    assert origin is not None
    covariance = (squares - torch.outer(total, total) / n) / (n - 1)
    return Reference(Moments(origin + total / n, covariance), torch.cat(sample))


def cache_folder() -> Path:
    """The folder that ``VAEBENCH_CACHE`` names, else the user's cache."""
    return caches.folder("VAEBENCH_CACHE")


def _cache_file(images: Tensor, levels: int, extractor: FeatureExtractor, name: str, seed: int) -> Path:
    """The cache file, named by all that the statistics depend on, including the content of the images."""
    identity = (FORMAT, name, extractor.weights_sha256, levels, tuple(images.shape), seed)
    key = hashlib.sha256(repr(identity).encode())
    for part in images.split(10_000):
        key.update(part.cpu().contiguous().numpy().data)
    return cache_folder() / "fid" / f"{key.hexdigest()}.statistics"


def _reference(
    images: Tensor, levels: int, extractor: FeatureExtractor, name: str, batch: int, seed: int
) -> Reference:
    """The statistics of the reference, read from the cache if they are there."""
    path = _cache_file(images, levels, extractor, name, seed)
    # an unreadable or damaged file is computed again
    with contextlib.suppress(OSError, KeyError, safetensors.SafetensorError):
        stored = path.read_bytes()
        digest, content = stored[:_DIGEST], stored[_DIGEST:]
        if hashlib.sha256(content).digest() == digest:
            tensors = safetensors.torch.load(content)
            return Reference(Moments(tensors["mean"], tensors["covariance"]), tensors["sample"])
    start = time.monotonic()
    statistics = _describe(images, levels, extractor, batch, seed)
    if time.monotonic() - start >= WORTH_CACHING:
        tensors = {
            "mean": statistics.moments.mean,
            "covariance": statistics.moments.covariance,
            "sample": statistics.sample,
        }
        content = safetensors.torch.save(tensors)
        try:
            write_atomic(path, hashlib.sha256(content).digest() + content)
        except OSError as error:  # only the next run loses time
            _LOG.warning(
                "statistics for FID could not be cached: %s; set VAEBENCH_CACHE to a writable folder",
                refused(error),
            )
    return statistics


def score(
    generated: Tensor,
    reference: Tensor,
    levels: int,
    extractor: FeatureExtractor,
    *,
    extractor_name: str,
    reference_name: str,
    temperature: float,
    batch: int = 100,
    seed: int = 0,
) -> Fid:
    """FID and KID of generated images against reference images, both (N, C, H, W) integers in 0 .. levels-1.

    The result is deterministic. FID depends neither on order nor on batch size; KID and the extrapolation
    draw subsets by position from ``seed``.

    :param extractor_name: stored in the record, as are ``reference_name`` and ``temperature``
    :raises UsageError: for fewer than ``MINIMUM`` images, or images that do not fit the extractor
    """
    for side, images in (("generated", generated), ("reference", reference)):
        if len(images) < MINIMUM:
            raise UsageError(f"FID needs at least {MINIMUM} {side} images, not {len(images)}")
    with full_precision():
        statistics = _reference(reference, levels, extractor, extractor_name, batch, seed)
        features = torch.cat(list(_features(generated, levels, extractor, batch))).double()
    fid, fid_extrapolated = extrapolate(features, statistics.moments, seed)
    kid_mean, kid_se = kid(features, statistics.sample.double(), seed)
    return Fid(
        extractor=extractor_name,
        weights_sha256=extractor.weights_sha256,
        features=extractor.width,
        images=len(generated),
        reference=reference_name,
        reference_images=len(reference),
        fid=fid,
        fid_extrapolated=fid_extrapolated,
        kid=kid_mean,
        kid_se=kid_se,
        few_images=min(len(generated), len(reference)) <= extractor.width,
        temperature=temperature,
    )
