"""Faulty likelihoods, as published and as one could write them, and the laws that see them."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vaebench.likelihoods.categorical import Categorical
from vaebench.likelihoods.logistic import Logistic
from vaebench.maths import gaussian, logistic
from vaebench.noise import Noise

from .witness import Witness, bites


def mass(plus: Tensor, minus: Tensor, bottom: Tensor, top: Tensor) -> Tensor:
    """log of the difference of distribution functions, the edges open where told."""
    upper, lower = plus.sigmoid(), minus.sigmoid()
    p = torch.where(bottom, upper, torch.where(top, 1 - lower, upper - lower))
    return p.clamp(min=1e-300).log()


class RightEdge(Logistic):
    """The top bin starts at 0.99 of [-1, 1], so value 254 of 255 takes the tail as well."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        v = logistic.to_unit(x.to(mean.dtype), self.image.levels)
        half = 1 / (self.image.levels - 1)
        plus, minus = ((v + s * half - mean) * torch.exp(-log_scale) for s in (1, -1))
        return mass(plus, minus, x <= 0, v > 0.99)


class HalfBin(Logistic):
    """Images of few levels on the 256-level scale, with bins of 1/(levels − 1) to either side."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        v = x.to(mean.dtype) * (256 / self.image.levels) / 127.5 - 1
        half = 1 / (self.image.levels - 1)
        plus, minus = ((v + s * half - mean) * torch.exp(-log_scale) for s in (1, -1))
        return mass(plus, minus, v < -0.999, v > 0.999)


class NoEdges(Logistic):
    """Every bin is closed, the outer ones too."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        v = logistic.to_unit(x.to(mean.dtype), self.image.levels)
        half = 1 / (self.image.levels - 1)
        plus, minus = ((v + s * half - mean) * torch.exp(-log_scale) for s in (1, -1))
        never = torch.zeros_like(plus, dtype=torch.bool)
        return mass(plus, minus, never, never)


class Negated(Logistic):
    """A negative log-likelihood where the log-likelihood is due."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return -super().log_prob_pixels(params, x)


class PixelMean(Logistic):
    """The mean over pixels where the sum is due."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return super().log_prob_pixels(params, x) / self.image.dims


class Cyclic(Categorical):
    """Each colour's logits see the colour after it, round in a ring."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        seen = x.roll(-1, 1).to(params.dtype).repeat_interleave(self.image.levels, 1)
        ramp = torch.arange(self.image.levels).repeat(self.image.channels).to(params)[:, None, None]
        return super().log_prob_pixels(params + seen * ramp, x)


class Density(Logistic):
    """A normal density of the value in [-1, 1] instead of a mass."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return gaussian.log_density(
            logistic.to_unit(x.to(params.dtype), self.image.levels), *self._split(params)
        )


class Nan(Logistic):
    """log of a difference that is zero far from the mean, replaced afterwards: its gradient is 0 · inf."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        v = logistic.to_unit(x.to(mean.dtype), self.image.levels)
        half = 1 / (self.image.levels - 1)
        plus, minus = ((v + s * half - mean) * torch.exp(-log_scale) for s in (1, -1))
        p = plus.sigmoid() - minus.sigmoid()
        return torch.where(p > 0, p.log(), torch.full_like(p, -50.0))


class HotSampler(Logistic):
    """Noise divided by a temperature where it is to be multiplied."""

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        mean, log_scale = self._split(params)
        drawn = mean + log_scale.exp() * torch.logit(noise.uniform(mean)) / 0.7
        return logistic.from_unit(drawn, self.image.levels)


class Clamped(Logistic):
    """Values outside the range are scored as if they were at its edge."""

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        return super().log_prob(params, x.clamp(0, self.image.levels - 1))


class Normalised(Logistic):
    """Parameters centred over the image: each pixel's depend on all."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return super().log_prob_pixels(params - params.mean((2, 3), keepdim=True), x)


class WholeImages(Logistic):
    """Samples always of the image's size."""

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        size = (self.image.height, self.image.width)
        return super().sample(F.interpolate(params, size=size), noise)


class Interleaved(Categorical):
    """Colours fastest, where blocks by colour are due."""

    by_colour: ClassVar[bool] = True

    def _logits(self, params: Tensor) -> Tensor:
        return params.unflatten(1, (self.image.levels, self.image.channels)).transpose(1, 2)


class Location(Logistic):
    """The clamped location passed for the mean: ours, until this law was written."""

    def mean(self, params: Tensor) -> Tensor:
        return (self._split(params)[0].clamp(-1, 1) + 1) * (0.5 * (self.image.levels - 1))


class Broadcasting(Logistic):
    """No check of shapes, so that an image of other channels broadcasts: ours, until this law was written."""

    def log_prob(self, params: Tensor, x: Tensor) -> Tensor:
        return self.log_prob_pixels(params, x).flatten(1).sum(1)


class Cancelling(Logistic):
    """The difference of two distribution functions, floored: nothing is left of it in float32."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        v = logistic.to_unit(x.to(mean.dtype), self.image.levels)
        half = 1 / (self.image.levels - 1)
        plus, minus = ((v + s * half - mean) * torch.exp(-log_scale) for s in (1, -1))
        return (plus.sigmoid() - minus.sigmoid()).clamp(min=1e-12).log()


ONE, ALL = "one pixel sums to one", "all images sum to one"
WITNESSES = [
    Witness(
        "likelihood", ONE, RightEdge, "256 images sum to", "NVAE's public code tests the right edge at 0.99"
    ),
    Witness("likelihood", ONE, HalfBin, "sum to", "the very deep VAE's public code at 5 bits: bins overlap"),
    Witness(
        "likelihood", ONE, NoEdges, "sum to", "discretised logistics without open edge bins lose their tails"
    ),
    Witness("likelihood", ONE, Negated, "sum to", "an NLL with the sign of a log-likelihood"),
    Witness("likelihood", ALL, PixelMean, "sum to", "a distortion averaged over pixels against a summed KL"),
    Witness("likelihood", ALL, Cyclic, "sum to", "colours coupled in a ring"),
    Witness("likelihood", "log p is at most zero", Density, "above 0", "a density reported as bits/dim"),
    Witness("likelihood", "log p is at most zero", Nan, "gradient", "where() around a log of zero"),
    Witness(
        "likelihood",
        "samples follow the probabilities",
        HotSampler,
        "χ²",
        "NVAE's mixture sampling divides the noise by the temperature",
    ),
    Witness(
        "likelihood",
        "impossible values have no probability",
        Clamped,
        "log p of an image with the value",
        "silent clamping",
    ),
    Witness("likelihood", "pixels are independent", Normalised, "did not change", "a norm over the image"),
    Witness(
        "likelihood", "a pixel can be scored alone", WholeImages, "one pixel", "sampling that fixes the size"
    ),
    Witness(
        "likelihood",
        "each block sets one colour",
        Interleaved,
        "another colour",
        "channels unflattened in the wrong order",
    ),
    Witness(
        "likelihood", "the mean is the expectation", Location, "Σ x p(x)", "a location passed for a mean"
    ),
    Witness("likelihood", "wrong shapes are refused", Broadcasting, "was accepted", "broadcasting"),
    Witness(
        "likelihood",
        "log p agrees in float32 and float64",
        Cancelling,
        "float32",
        "σ(a) − σ(b), floored at 1e-12",
    ),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)


def test_the_right_edge_is_seen_at_256_levels_as_too_much_mass() -> None:
    found = WITNESSES[0].verdict()
    assert "levels=256" in found.counterexample["image"]
    assert 1 < float(found.measured) < 2.01
    assert found.expected == "1 ± 2e-09"
