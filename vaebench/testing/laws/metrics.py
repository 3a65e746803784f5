"""Laws of FID and KID (``evaluation.fid.score``), with pixels as features."""

from typing import Any

import numpy as np
import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.testing.law import Law, close, hold
from vaebench.testing.strategies import seeds
from vaebench.testing.subject import Function, Subject

CONTRACT = "vaebench/evaluation/fid.py; Heusel et al. 2017, eq. 6"


class Pixels:
    """An extractor whose features are the pixels, scaled to [0, 1]."""

    weights_sha256 = "0" * 64

    def __init__(self, width: int) -> None:
        self.width = width

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        return images.flatten(1).double() / (levels - 1)


def random_pixels(count: int, width: int, seed: int) -> Tensor:
    """Draw images (count, 1, 1, width) of 256 levels, uint8."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, 1, width), generator=generator).to(torch.uint8)


def scored(subject: Function, generated: Tensor, reference: Tensor, batch: int = 100) -> Any:
    """Score generated images with pixels as features."""
    return subject.target(
        generated,
        reference,
        256,
        Pixels(reference.shape[-1]),
        extractor_name="pixels",
        reference_name="train",
        temperature=1.0,
        batch=batch,
    )


def cases(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of width, number of images and seed."""
    return st.fixed_dictionaries({"width": st.integers(1, 8), "more": st.integers(1, 40), "seed": seeds})


def itself_is_at_zero(subject: Function, width: int, more: int, seed: int) -> None:
    """Compute FID of a set with itself."""
    x = random_pixels(max(4, width + 1 + more), width, seed)
    close(
        scored(subject, x, x).fid, 0.0, f"FID of {len(x)} images of {width} features with themselves", 0, 1e-5
    )


def batches_change_nothing(subject: Function, width: int, more: int, seed: int) -> None:
    """Compare FID and KID at several batch sizes."""
    a, b = random_pixels(more + 7, width, seed), random_pixels(2 * more + 9, width, seed + 1)
    whole = scored(subject, a, b, 10**6)
    for batch in (1, 4):
        batched = scored(subject, a, b, batch)
        for name in ("fid", "kid"):
            close(getattr(batched, name), getattr(whole, name), f"{name} in batches of {batch}", 1e-6, 1e-6)


def is_the_closed_form(subject: Function, width: int, more: int, seed: int) -> None:
    """Compare with a second computation from the two sets' means and unbiased covariances."""
    a, b = random_pixels(more + 30, width, seed), random_pixels(2 * more + 30, width, seed + 1) // 2
    moments = []
    for x in (a, b):
        features = x.flatten(1).double().numpy() / 255
        moments.append((features.mean(0), np.cov(features.T).reshape(width, width)))
    (m, s), (n, t) = moments
    values, vectors = np.linalg.eigh(s)
    root = vectors * np.sqrt(values.clip(0)) @ vectors.T
    cross = np.sqrt(np.linalg.eigvalsh(root @ t @ root).clip(0)).sum()
    due = float(((m - n) ** 2).sum() + np.trace(s) + np.trace(t) - 2 * cross)
    close(scored(subject, a, b).fid, due, "FID, against |μ−ν|² + tr(S + T − 2(ST)^½)", 1e-5, 1e-5)


def few_images_are_flagged(subject: Function, width: int, more: int, seed: int) -> None:
    """Check the record of a set with about as many images as features."""
    a, b = random_pixels(4 + more % 5, width, seed), random_pixels(more + 20, width, seed + 1)
    record = scored(subject, a, b)
    hold(record.images == len(a), "the recorded number of images", record.images, len(a))
    hold(record.few_images == (len(a) <= width), "few_images", record.few_images, len(a) <= width)
    hold(
        record.kid_se is not None and np.isfinite([record.kid, record.kid_se]).all(),
        "KID of few images",
        record.kid,
        "finite",
    )


METRICS = (
    Law(
        "a set has no distance from itself",
        "FID of a set with itself is 0 up to rounding, where there are more images than features.",
        CONTRACT,
        itself_is_at_zero,
        cases,
        10,
    ),
    Law(
        "batches change nothing",
        "FID and KID do not depend on the batch size.",
        CONTRACT,
        batches_change_nothing,
        cases,
        8,
    ),
    Law(
        "is the distance of two normals",
        "FID is the Fréchet distance of normals with the sets' means and unbiased covariances.",
        CONTRACT,
        is_the_closed_form,
        cases,
        10,
    ),
    Law(
        "too few images are flagged",
        "The record counts the images and flags too few; KID's subsets are never larger than the set.",
        CONTRACT,
        few_images_are_flagged,
        cases,
        8,
    ),
)
