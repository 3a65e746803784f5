"""Computes every number on the page of published mistakes; ``python docs/snippets/mistakes.py`` prints them.

A test holds the page to these sentences, so that no number there is kept by hand.
"""

import math
from collections.abc import Iterator

import numpy as np
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from vaebench.evaluation.fid import Moments, frechet, moments
from vaebench.maths import logistic
from vaebench.maths.units import bits_per_dim

BYTE = 256
WHITE = (torch.tensor(1.0).double(), torch.tensor(-4.0).double())
"""Mean and log scale of a white pixel."""
GRID = (
    torch.linspace(-1.5, 1.5, 301, dtype=torch.float64)[:, None],
    torch.linspace(-7, 2, 91, dtype=torch.float64)[None],
)


def edges(
    count: int, step: float, half: float, mean: Tensor, log_scale: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The places v of all levels, along the last axis, and the standardised edges of their bins."""
    v = torch.arange(count, dtype=torch.float64) * step - 1
    inverse = torch.exp(-log_scale)[..., None]
    return v, (v - mean[..., None] + half) * inverse, (v - mean[..., None] - half) * inverse


def total(v: Tensor, inner: Tensor, upper: Tensor, lower: Tensor, right: float = 0.999) -> Tensor:
    """The sum over levels; bins are open to the left below -0.999 and to the right above ``right``."""
    return torch.where(v < -0.999, upper.sigmoid(), torch.where(v > right, (-lower).sigmoid(), inner)).sum(-1)


def right_edge(mean: Tensor, log_scale: Tensor) -> Tensor:
    """The sum over 256 levels where every level above 0.99 gets the tail: 254 is at 0.9922."""
    v, upper, lower = edges(BYTE, 2 / 255, 1 / 255, mean, log_scale)
    return total(v, upper.sigmoid() - lower.sigmoid(), upper, lower, 0.99)


def five_bits(mean: Tensor, log_scale: Tensor) -> Tensor:
    """The sum over 32 levels that are 8/127.5 apart, with half-bins of 1/31."""
    v, upper, lower = edges(32, 8 / 127.5, 1 / 31, mean, log_scale)
    return total(v, upper.sigmoid() - lower.sigmoid(), upper, lower)


def fallback(mean: Tensor, log_scale: Tensor) -> Tensor:
    """The sum over 256 levels where a mass below 1e-5 is replaced by density times width of the bin."""
    v, upper, lower = edges(BYTE, 2 / 255, 1 / 255, mean, log_scale)
    middle = (upper + lower) / 2
    density = (middle - log_scale[..., None] - 2 * torch.nn.functional.softplus(middle)).exp() / 127.5
    inner = upper.sigmoid() - lower.sigmoid()
    return total(v, torch.where(inner > 1e-5, inner, density), upper, lower)


def exact(mean: Tensor, log_scale: Tensor) -> Tensor:
    """The same sum by the formula that is used here."""
    x = torch.arange(BYTE, dtype=torch.float64)
    return logistic.log_mass(x, mean[..., None], log_scale[..., None], BYTE).exp().sum(-1)


def closed_edges(mean: Tensor, log_scale: Tensor) -> Tensor:
    """The sum over 256 levels where the outer bins do not reach to infinity."""
    _, upper, lower = edges(BYTE, 2 / 255, 1 / 255, mean, log_scale)
    return (upper.sigmoid() - lower.sigmoid()).sum(-1)


def squared_error() -> float:
    """The sum over 256 levels in [0, 1] of exp(−(x − ½)²), which a squared error takes for a probability."""
    return torch.exp(-((torch.arange(BYTE, dtype=torch.float64) / 255 - 0.5) ** 2)).sum().item()


def pixel_mean() -> tuple[int, float]:
    """Components of the digits' 64 that the rate pays for no more, and the nats that the best model loses.

    A linear-Gaussian model, pixels in grey levels with noise of standard deviation 1: at weight β the best
    that any encoder can reach, component by component, is distortion min(β, σ²) and rate ½ log σ²/β where
    that is positive (reverse water-filling). A mean over 64 pixels beside a summed KL is β = 64.
    """
    pixels = torch.from_numpy(load_digits().data).double()
    variances = torch.linalg.eigvalsh(torch.cov(pixels.T))

    def minus_elbo(beta: float) -> Tensor:
        reached = variances.clamp(max=beta)
        rate = 0.5 * torch.log(variances.clamp(min=beta) / beta)
        return (0.5 * math.log(2 * math.pi) + 0.5 * reached + rate).sum()

    lost = ((variances > 1) & (variances <= 64)).sum()
    return int(lost), (minus_elbo(64) - minus_elbo(1)).item()


def codebook_memory(weight_of_new: float) -> float:
    """How many batches an average with this weight of the new value is worth: (2 − a)/a."""
    return (2 - weight_of_new) / weight_of_new


def unused_code(count: int = 512, batch: int = 4096, decay: float = 0.99, eps: float = 1e-5) -> float:
    """How many times larger a code gets that no vector chose in the first step, counts starting at zero."""
    running = torch.zeros(count, dtype=torch.float64)
    used = torch.full((count,), batch / (count - 1), dtype=torch.float64)
    used[0] = 0
    running = decay * running + (1 - decay) * used
    smoothed = (running[0] + eps) / (running.sum() + count * eps) * running.sum()
    return (decay / smoothed).item()


def per_process(order: str, processes: int = 8) -> float:
    """FID of the digits with themselves, in pixels of [0, 1], where one side averages covariances over
    processes that got their images in this order.
    """
    digits = load_digits()
    features = torch.from_numpy(digits.data).double() / 16
    rows = torch.from_numpy(np.argsort(digits.target, kind="stable"))
    if order == "shuffled":
        rows = torch.randperm(len(features), generator=torch.Generator().manual_seed(0))
    each = [moments(part) for part in features[rows].tensor_split(processes)]
    averaged = Moments(
        torch.stack([m.mean for m in each]).mean(0), torch.stack([m.covariance for m in each]).mean(0)
    )
    return frechet(averaged, moments(features))


def restarted_rate(total: int, at: int, warmup: int, last: float) -> float:
    """How many times too large a cosine's rate is, after its warm-up, where it begins anew at step ``at``."""

    def rate(step: int) -> float:
        share = (step - warmup) / (total - warmup)
        return last + (1 - last) * 0.5 * (1 + math.cos(math.pi * share))

    return rate(warmup) / rate(at + warmup)


def sentences() -> Iterator[str]:
    """What the page says in numbers, word by word."""
    lost, nats = pixel_mean()
    yield f"{lost} of the 64 principal components carry nothing any more"
    yield f"−ELBO is {nats:.1f} nats per image above the model's best"
    yield f"counts {25 * 10 / 4096:.3f} nats of a rate of 25 in training and 25 in validation"
    errors = squared_error()
    yield f"sum to {errors:.0f}"
    excess = math.log(errors)
    yield f"{excess:.2f} nats ({bits_per_dim(excess, 1):.2f} bits) per pixel value too good"
    edge = right_edge(*WHITE).item()
    yield f"sum to {edge:.3f} for a white pixel (mean 1, log scale −4)"
    yield f"to {right_edge(*GRID).max():.3f} at most"
    yield f"{math.log(edge):.2f} nats ({bits_per_dim(math.log(edge), 1):.2f} bits) too good"
    few = five_bits(*GRID)
    yield f"between {few.min():.2f} and {few.max():.2f}"
    ratio = (2 / 31) / (8 / 127.5)
    yield f"{ratio:.3f} times too much"
    yield f"{bits_per_dim(math.log(ratio), 1):.3f} bits/dim too good"
    yield f"up to {1 - fallback(*GRID).min():.1e} of the mass is lost"
    yield f"within {1e-12 if (exact(*GRID) - 1).abs().max() < 1e-12 else 1:.0e} of one"
    closed = closed_edges(*WHITE).item()
    yield f"sum to {closed:.3f} for a white pixel (mean 1, log scale −4)"
    yield f"{-math.log(closed):.2f} nats per pixel value too bad"
    yield f"worth {codebook_memory(0.01):.0f} batches"
    yield f"worth {codebook_memory(0.99):.2f}"
    yield f"{unused_code():,.0f} times as long"
    yield f"{per_process('by class'):.3f} where the images come by class"
    yield f"{per_process('shuffled'):.3f} where they are shuffled"
    yield f"{10_000 % 64} of 10,000 test images at a batch of 64, {10_000 % 512} at 512"
    yield f"{restarted_rate(100_000, 90_000, 100, 0.01):.0f} times too large"
    yield f"log K: {math.log(50):.2f} nats at K = 50, {math.log(5000):.2f} at K = 5,000"
    yield f"{1 / 0.7**2:.2f} times as wide as asked"


if __name__ == "__main__":
    print(*sentences(), sep="\n")
