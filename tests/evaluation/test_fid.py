"""FID and KID against closed forms, and what they may not depend on."""

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
from vaebench.evaluation.fid import Moments, extrapolate, frechet, kid
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


@given(st.integers(1, 6), st.integers(30, 60), st.integers(30, 60), seeds)
@settings(max_examples=25)
def test_score_is_symmetric(width: int, n: int, m: int, seed: int) -> None:
    a, b = images(n, width, seed), images(m, width, seed + 1) // 2
    assert score(a, b).fid == pytest.approx(score(b, a).fid, abs=1e-7)


@given(st.integers(1, 6), st.integers(30, 60), seeds)
@settings(max_examples=25)
def test_order_changes_nothing(width: int, n: int, seed: int) -> None:
    a, b = images(n, width, seed), images(2 * n, width, seed + 1)
    turned = score(a[torch.randperm(n)], b[torch.randperm(2 * n)])
    assert turned.fid == pytest.approx(score(a, b).fid, abs=1e-7)


@given(st.integers(1, 6), st.floats(-1e4, 1e4), seeds)
@settings(max_examples=25)
def test_features_far_from_zero_lose_nothing(width: int, offset: float, seed: int) -> None:
    a, b = images(40, width, seed), images(150, width, seed + 1)
    far = score(a, b, batch=40, extractor=Pixels(width, offset=offset))
    assert far.fid == pytest.approx(score(a, b).fid, abs=1e-6)


@given(st.floats(-5, 5), st.floats(-50, 50), st.integers(4, 5000), seeds)
def test_a_bias_that_is_linear_in_one_over_n_is_removed_exactly(
    limit: float, slope: float, n: int, seed: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fid, "moments", len)
        patch.setattr(fid, "frechet", lambda count, _: limit + slope / count)
        at_n, at_infinity = extrapolate(torch.zeros(n, 1), None, seed)  # type: ignore[arg-type]
    assert at_n == limit + slope / n
    assert at_infinity == pytest.approx(limit, abs=1e-8)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_bias_at_n_is_as_predicted_and_the_extrapolation_nearer_the_truth(shift: float) -> None:
    width, n, repeats = 12, 300, 12
    truth = Moments(torch.full((width,), shift, dtype=torch.float64), torch.eye(width, dtype=torch.float64))
    draws = (torch.randn(n, width, dtype=torch.float64) for _ in range(repeats))
    at_n, at_infinity = np.array([extrapolate(x, truth) for x in draws]).T - shift**2 * width
    # to first order, with both covariances I: tr Σ̂ / N from the mean, E tr (Σ̂ − I)² / 4 from the covariance
    predicted = width / n + width * (width + 1) / (4 * (n - 1))
    error = at_n.std(ddof=1) / repeats**0.5
    assert abs(at_n.mean() - predicted) < 4 * error + 0.1 * predicted
    assert abs(at_infinity.mean()) < max(predicted / 3, 3 * error)
    if shift == 0:  # nothing but bias to measure
        assert (at_n > 0).all()
        assert (abs(at_infinity) < at_n).all()


def population_mmd(p: Tensor, q: Tensor, points: Tensor) -> float:
    """Squared MMD of two distributions over the same finitely many points, under KID's kernel."""
    kernel = (points @ points.T / points.shape[1] + 1) ** 3
    return float((p - q) @ kernel @ (p - q))


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("n", [12, 60])
def test_kid_is_unbiased_and_its_standard_error_calibrated(same: bool, n: int) -> None:
    points = torch.randn(6, 3, dtype=torch.float64)
    p, q = torch.softmax(torch.randn(2, 6, dtype=torch.float64), 1)
    q = p if same else q
    truth, repeats = population_mmd(p, q, points), 150
    found = np.array(
        [
            kid(points[p.multinomial(n, True)], points[q.multinomial(3 * n, True)], seed)
            for seed in range(repeats)
        ]
    )
    spread = found[:, 0].std(ddof=1)
    assert abs(found[:, 0].mean() - truth) < 4 * spread / repeats**0.5
    assert np.sqrt((found[:, 1] ** 2).mean()) == pytest.approx(spread, rel=0.25)


@given(st.integers(4, 120), st.integers(4, 120), seeds)
@settings(max_examples=50)
def test_kid_blocks_are_disjoint_and_never_larger_than_the_images(n: int, m: int, seed: int) -> None:
    blocks: list[tuple[set[float], set[float]]] = []

    def watched(x: Tensor, y: Tensor, **options: Any) -> dict[str, float]:
        assert len(x) == len(y) == options["kid_subset_size"] <= min(n, m)
        blocks.append((set(x[:, 0].tolist()), set(y[:, 0].tolist())))
        return plain(x, y, **options)

    plain = torch_fidelity.metric_kid.kid_features_to_metric
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch_fidelity.metric_kid, "kid_features_to_metric", watched)
        ours, theirs = torch.arange(n).double()[:, None], torch.arange(m).double()[:, None]
        mean, error = kid(ours / n, theirs / m, seed)
    assert np.isfinite([mean, error]).all()
    assert error >= 0
    for a, b in [(a, b) for i, a in enumerate(blocks) for b in blocks[:i]]:
        assert not a[1] & b[1]
        assert a[0] == b[0] or not a[0] & b[0]
    assert len({min(a) for a, _ in blocks}) >= 2
    # where they are plenty, nearly all images count
    assert n < 20 or n > m or len(set().union(*(a for a, _ in blocks))) > 0.9 * n


@pytest.mark.parametrize(("n", "m", "side"), [(3, 9, "generated"), (9, 3, "reference"), (0, 9, "generated")])
def test_too_few_images_are_refused_in_words(n: int, m: int, side: str) -> None:
    with pytest.raises(UsageError, match=f"at least 4 {side} images"):
        score(images(n, 2, 0), images(m, 2, 1))


def test_scoring_is_repeatable_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.cudnn, "deterministic", False)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)
    a, b = images(50, 4, 0), images(200, 4, 1)
    before = torch.get_rng_state()
    first = score(a, b)
    assert score(a, b) == first
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.backends.cudnn.deterministic
    assert torch.backends.cudnn.allow_tf32
    assert score(a, b, seed=1).kid != first.kid


def seen(generated: Tensor, reference: Tensor, levels: int = 256, sha256: str = "0" * 64) -> tuple[int, Fid]:
    extractor = Pixels(reference.shape[-1], sha256)
    found = score(generated, reference, levels, extractor=extractor)
    return extractor.seen, found


def test_expensive_statistics_are_kept_for_the_very_same_images_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fid, "WORTH_CACHING", 0.0)
    a, b = images(10, 3, 0), images(50, 3, 1)
    first = seen(a, b)
    assert first[0] == 60
    assert seen(a, b) == (10, first[1])
    changed = b.clone()
    changed[-1, 0, 0, -1] ^= 1
    assert seen(a, changed)[0] == 60
    assert seen(a, b, levels=257)[0] == 60
    assert seen(a, b, sha256="1" * 64)[0] == 60
    assert seen(a, b.int())[0] == 60
    assert seen(a, b) == (10, first[1])


def test_cheap_statistics_are_not_kept() -> None:
    a, b = images(10, 3, 0), images(50, 3, 1)
    assert seen(a, b) == seen(a, b)
    assert not fid.cache_folder().exists()


@pytest.mark.parametrize("content", [b"", b"no tensors", None])
def test_a_damaged_cache_is_made_again(content: bytes | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fid, "WORTH_CACHING", 0.0)
    a, b = images(10, 3, 0), images(50, 3, 1)
    first = seen(a, b)
    (file,) = (fid.cache_folder() / "fid").iterdir()
    file.write_bytes(file.read_bytes()[:-1] if content is None else content)
    assert seen(a, b) == first
    assert seen(a, b) == (10, first[1])


def test_a_cache_that_cannot_be_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fid, "WORTH_CACHING", 0.0)
    a, b = images(10, 3, 0), images(50, 3, 1)
    first = seen(a, b)
    (tmp_path / "file").touch()
    monkeypatch.setenv("VAEBENCH_CACHE", str(tmp_path / "file"))
    assert seen(a, b) == first
