"""Noise that belongs to the image: independent of batch, order and precision, and random enough."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from vaebench.noise import GivenNoise, ImageNoise, TorchNoise, unit


@given(st.integers(0, 2**62), st.integers(2, 9), st.integers(1, 8), st.permutations(range(9)))
def test_a_row_depends_on_its_image_and_sample_only(
    seed: int, rows: int, width: int, order: list[int]
) -> None:
    images, samples = torch.arange(9) // 3, torch.arange(9) % 3
    whole = ImageNoise(seed, images, samples)
    pick = torch.tensor(order)[:rows]
    part = ImageNoise(seed, images[pick], samples[pick])
    for like in (torch.empty(9, width), torch.empty(9, 2, width, dtype=torch.float64)):
        assert torch.equal(whole.normal(like)[pick], part.normal(like[pick]))


def test_draws_images_samples_and_seeds_all_differ() -> None:
    like = torch.empty(50, 40, dtype=torch.float64)
    images = torch.arange(50)
    first = ImageNoise(0, images)
    draws = [first.uniform(like), first.uniform(like), ImageNoise(1, images).uniform(like)]
    draws += [ImageNoise(0, images, torch.ones(50, dtype=torch.long)).uniform(like)]
    draws += [ImageNoise(0, images + 50).uniform(like)]
    values = torch.stack(draws).flatten()
    assert len(values.unique()) == len(values)
    assert torch.corrcoef(torch.stack([d.flatten() for d in draws])).fill_diagonal_(0).abs().max() < 0.1


@pytest.mark.parametrize("axis", ["elements", "images", "samples", "draws", "seeds"])
def test_every_axis_is_uniform_and_normal(axis: str) -> None:
    n = 4000
    one = torch.zeros(1, dtype=torch.long)
    many = torch.arange(n)
    if axis == "draws":
        noise = ImageNoise(3, one)
        u = torch.cat([noise.uniform(torch.empty(1, 1, dtype=torch.float64)) for _ in range(n)])
    elif axis == "seeds":
        u = torch.cat([ImageNoise(s, one).uniform(torch.empty(1, 1, dtype=torch.float64)) for s in range(n)])
    else:
        shape = (1, n) if axis == "elements" else (n, 1)
        images = {"elements": one, "images": many, "samples": torch.zeros_like(many)}[axis]
        noise = ImageNoise(3, images, many if axis == "samples" else None)
        u = noise.uniform(torch.empty(shape, dtype=torch.float64))
    u = u.flatten()
    assert kstest(u.numpy(), "uniform").pvalue > 1e-4
    assert abs(torch.corrcoef(torch.stack([u[:-1], u[1:]]))[0, 1]) < 0.08
    assert kstest(torch.special.ndtri(u).numpy(), "norm").pvalue > 1e-4


def test_float32_sees_the_same_noise_as_float64() -> None:
    rows = torch.arange(100)
    single = ImageNoise(0, rows).normal(torch.empty(100, 7))
    double = ImageNoise(0, rows).normal(torch.empty(100, 7, dtype=torch.float64))
    assert torch.equal(single, double.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_uniform_draws_have_finite_logits(dtype: torch.dtype) -> None:
    for noise in (ImageNoise(0, torch.arange(1000)), TorchNoise()):
        u = noise.uniform(torch.empty(1000, 1000, dtype=dtype))
        assert u.logit().isfinite().all()


@given(st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(1, 2**12).map(lambda n: -n)))
def test_any_64_bits_are_inside_the_open_interval(bits: int) -> None:
    u = unit(torch.tensor([bits]))
    assert 0 < u.item() < 1
    assert torch.special.ndtri(u).isfinite().all()
    assert abs(u.item() - (bits % 2**64 + 2**10) / 2**64) <= 2**-53


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="3 rows cannot fill 2 rows"):
        ImageNoise(0, torch.arange(3)).normal(torch.empty(2, 1))
    with pytest.raises(ValueError, match=r"shape \(1, 2\), but \(1, 3\) is needed"):
        GivenNoise([torch.zeros(1, 2)]).normal(torch.empty(1, 3))
    with pytest.raises(ValueError, match="no draws are left"):
        GivenNoise([]).normal(torch.empty(1))


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_torch_noise_keeps_the_memory_format_and_fills_it(memory_format: torch.memory_format) -> None:
    like = torch.zeros(8, 5, 16, 16).contiguous(memory_format=memory_format)
    for draws, mean, spread in (
        (TorchNoise().normal(like), 0, 1),
        (TorchNoise().uniform(like), 0.5, 12**-0.5),
    ):
        assert draws.is_contiguous(memory_format=memory_format)
        assert draws.unique().numel() > 0.99 * draws.numel()
        assert torch.allclose(draws.mean((1, 2, 3)), torch.tensor(float(mean)), atol=6 * spread / 1280**0.5)
        assert torch.allclose(draws.mean((0, 2, 3)), torch.tensor(float(mean)), atol=6 * spread / 2048**0.5)
