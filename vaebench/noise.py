"""Sources of randomness: a model draws only from a ``Noise``, so that noise can be injected.

Training draws from torch's generator. Scoring draws from a counter-based generator whose numbers are fixed by
image and sample, so that batch size and order change nothing. Reference vectors replay given draws.
"""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor


def derived_seed(*parts: int | str) -> int:
    """Derive a 63-bit seed from a run's seed and the purpose of the draws."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Noise(ABC):
    """A source of independent draws; dimension 0 of a draw is the batch."""

    @abstractmethod
    def normal(self, like: Tensor) -> Tensor:
        """Standard normal draws, of the shape, dtype and device of ``like`` (its values are not read)."""

    @abstractmethod
    def uniform(self, like: Tensor) -> Tensor:
        """Uniform draws in the open interval (0, 1), like ``like``."""


def _open(u: Tensor) -> Tensor:
    """Keep uniform draws off 0 and 1, where a logit is infinite."""
    info = torch.finfo(u.dtype)
    return u.clamp(info.tiny, 1.0 - info.eps / 2)


class TorchNoise(Noise):
    """Draws from torch's default generator of the device, or from the given one."""

    def __init__(self, generator: torch.Generator | None = None) -> None:
        self.generator = generator

    def normal(self, like: Tensor) -> Tensor:
        out = torch.empty_like(like)
        _in_memory_order(out).normal_(generator=self.generator)
        return out

    def uniform(self, like: Tensor) -> Tensor:
        out = torch.empty_like(like)
        _in_memory_order(out).uniform_(generator=self.generator)
        return _open(out)


def _in_memory_order(new: Tensor) -> Tensor:
    """A new tensor as a vector in memory order, which torch fills faster than any other memory format."""
    return new.as_strided((new.numel(),), (1,))


def unit(bits: Tensor) -> Tensor:
    """Map 64 random bits (int64) to the midpoint of one of 2⁵³ equal parts of (0, 1), float64."""
    return ((_shift(bits, 11).to(torch.float64) + 0.5) * 2.0**-53).clamp(max=1 - 2.0**-53)


_GOLDEN = -7046029254386353131  # 0x9E3779B97F4A7C15, 2^64 over the golden ratio, as int64
_MIX_1 = -4658895280553007687  # 0xBF58476D1CE4E5B9
_MIX_2 = -7723592293110705685  # 0x94D049BB133111EB


def _shift(z: Tensor, bits: int) -> Tensor:
    """Logical right shift of int64 (torch's is arithmetic)."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


def _mix(z: Tensor) -> Tensor:
    """The output function of SplitMix64 (Steele, Lea & Flood 2014), on int64 that wrap."""
    z = (z ^ _shift(z, 30)) * _MIX_1
    z = (z ^ _shift(z, 27)) * _MIX_2
    return z ^ _shift(z, 31)


class ImageNoise(Noise):
    """Draws that depend only on seed, image, sample and number of the draw, never on the batch.

    Row b of draw d is the SplitMix64 stream keyed by ``(seed, images[b], samples[b], d)``; values are made in
    float64 and then cast, so float32 and float64 see the same noise.

    :param images: number of each row's image, (B,) int64
    :param samples: number of each row's sample of that image, (B,) int64; by default 0
    """

    def __init__(self, seed: int, images: Tensor, samples: Tensor | None = None) -> None:
        key = _mix((torch.full_like(images, seed) + 1) * _GOLDEN)
        for part in (images, torch.zeros_like(images) if samples is None else samples):
            key = _mix((key + part + 1) * _GOLDEN)
        self.key = key
        self.draws = 0

    def _uniform64(self, like: Tensor) -> Tensor:
        if like.shape[0] != len(self.key):
            raise ValueError(f"noise for {len(self.key)} rows cannot fill {like.shape[0]} rows")
        self.draws += 1
        key = _mix((self.key + self.draws) * _GOLDEN)
        count = torch.arange(1, like[0].numel() + 1, device=key.device, dtype=torch.int64)
        bits = _mix(key[:, None] + count * _GOLDEN)
        return unit(bits).reshape(like.shape).to(like.device)

    def normal(self, like: Tensor) -> Tensor:
        return torch.special.ndtri(self._uniform64(like)).to(like.dtype)

    def uniform(self, like: Tensor) -> Tensor:
        return _open(self._uniform64(like).to(like.dtype))


class GivenNoise(Noise):
    """Replays given draws in order, for reference vectors and for comparing samplers."""

    def __init__(self, draws: Iterable[Tensor]) -> None:
        self.draws: Iterator[Tensor] = iter(draws)

    def _next(self, like: Tensor) -> Tensor:
        draw = next(self.draws, None)
        if draw is None:
            raise ValueError(f"no draws are left for noise of shape {tuple(like.shape)}")
        if draw.shape != like.shape:
            raise ValueError(
                f"the next draw has shape {tuple(draw.shape)}, but {tuple(like.shape)} is needed"
            )
        return draw.to(like)

    def normal(self, like: Tensor) -> Tensor:
        return self._next(like)

    def uniform(self, like: Tensor) -> Tensor:
        return self._next(like)
