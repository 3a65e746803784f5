"""FID and KID against closed forms, and what they may not depend on."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch_fidelity.metric_kid
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench.errors import UsageError
from vaebench.evaluation import fid
from vaebench.evaluation.fid import Moments, extrapolate, frechet, kid, moments
from vaebench.records import Fid

seeds = st.integers(0, 2**32 - 1)
widths = st.integers(1, 12)


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAEBENCH_CACHE", str(tmp_path / "cache"))


class Pixels:
    """An extractor whose features are the pixels, and which counts the images that it saw."""

    def __init__(self, width: int, weights_sha256: str = "0" * 64, offset: float = 0.0) -> None:
        self.width = width
        self.weights_sha256 = weights_sha256
        self.offset = offset
        self.seen = 0

    def __call__(self, images: Tensor, levels: int) -> Tensor:
        self.seen += len(images)
        return images.flatten(1).double() / (levels - 1) + self.offset


def images(count: int, width: int, seed: int, levels: int = 256) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, levels, (count, 1, 1, width), generator=generator).to(torch.uint8)


def score(generated: Tensor, reference: Tensor, levels: int = 256, **other: Any) -> Fid:
    extractor = other.pop("extractor", None) or Pixels(reference.shape[-1])
    return fid.score(
        generated,
        reference,
        levels,
        extractor,
        extractor_name="pixels",
        reference_name="train",
        temperature=1.0,
        **other,
    )


def covariance(generator: torch.Generator, width: int) -> Tensor:
    factor = torch.randn(width, 2 * width, generator=generator, dtype=torch.float64)
    return factor @ factor.T / width


def gaussian(generator: torch.Generator, width: int) -> Moments:
    mean = torch.randn(width, generator=generator, dtype=torch.float64)
    return Moments(mean, covariance(generator, width))


def root(matrix: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


@given(widths, seeds)
def test_frechet_distance_is_the_closed_form_for_any_two_gaussians(width: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    a, b = gaussian(generator, width), gaussian(generator, width)
    # tr (Σ_a Σ_b)^½ is the nuclear norm of Σ_a^½ Σ_b^½
    cross = torch.linalg.svdvals(root(a.covariance) @ root(b.covariance)).sum()
    traces = torch.trace(a.covariance) + torch.trace(b.covariance)
    wanted = float((a.mean - b.mean).square().sum() + traces - 2 * cross)
    assert frechet(a, b) == pytest.approx(wanted, abs=1e-6)
    assert frechet(b, a) == pytest.approx(wanted, abs=1e-6)


@given(st.lists(st.tuples(*[st.floats(0.01, 10)] * 2, st.floats(-5, 5)), min_size=1, max_size=10), seeds)
def test_frechet_distance_of_commuting_covariances_is_a_sum_over_axes(
    axes: list[tuple[float, float, float]], seed: int
) -> None:
    a, b, shift = torch.tensor(axes, dtype=torch.float64).T
    generator = torch.Generator().manual_seed(seed)
    turn = torch.linalg.qr(torch.randn(len(axes), len(axes), generator=generator, dtype=torch.float64)).Q
    first = Moments(turn @ shift, turn * a.square() @ turn.T)
    second = Moments(torch.zeros_like(a), turn * b.square() @ turn.T)
    wanted = float((shift.square() + (a - b).square()).sum())
    assert frechet(first, second) == pytest.approx(wanted, abs=1e-5)


@given(st.integers(1, 8), st.integers(0, 40), seeds)
def test_images_have_no_distance_from_themselves(width: int, more: int, seed: int) -> None:
    x = images(max(4, width + 1 + more), width, seed)
    assert score(x, x).fid == pytest.approx(0, abs=1e-5)


@given(st.integers(1, 6), st.integers(30, 60), st.integers(30, 60), seeds)
@settings(max_examples=25)
def test_score_is_symmetric(width: int, n: int, m: int, seed: int) -> None:
    a, b = images(n, width, seed), images(m, width, seed + 1) // 2
    assert score(a, b).fid == pytest.approx(score(b, a).fid, abs=1e-7)


@given(st.integers(1, 6), st.integers(4, 40), st.integers(1, 50), seeds)
@settings(max_examples=25)
def test_batch_size_changes_nothing(width: int, n: int, batch: int, seed: int) -> None:
    a, b = images(n, width, seed), images(2 * n, width, seed + 1)
    one, other = (score(a, b, batch=size, extractor=Pixels(width, offset=1e4)) for size in (1, batch))
    for field in ("fid", "fid_extrapolated", "kid", "kid_se"):
        # an offset of 1e4 leaves float64 about 1e-12 of each feature; KID cubes it (1e4² · 6)³
        scale = 1e-4 if field.startswith("fid") else 1e-9 * abs(one.kid) + 1e14
        assert getattr(one, field) == pytest.approx(getattr(other, field), abs=scale)
