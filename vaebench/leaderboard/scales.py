"""Scales of axes: where a number lies, and which round numbers are ticks."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

HUGE, TINY = 1e290, 1e-290
"""Larger magnitudes are drawn at ``HUGE``, smaller ones at 0, so that no tick step over- or underflows."""
STEPS = 8
"""The most steps between ticks of a linear axis."""
MARKS = 8
"""The most ticks of a logarithmic axis."""
FLAT = 1e-5
"""A span below this share of the largest magnitude is drawn as a single place."""
_LADDERS: tuple[tuple[tuple[int, ...], int], ...] = (
    ((1, 2, 3, 4, 5, 6, 7, 8, 9), 1),
    ((1, 2, 5), 1),
    *(((1,), decades) for decades in (1, 2, 5, 10, 20, 50, 100)),
)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear or logarithmic scale from its first tick to its last."""

    ticks: tuple[tuple[float, str], ...]
    """At least two values in ascending order, each with its label."""
    log: bool

    @property
    def ends(self) -> tuple[float, float]:
        """The values of the first and the last tick."""
        return self.ticks[0][0], self.ticks[-1][0]

    def at(self, value: float) -> float:
        """Map a number to [0, 1], monotonically: 0 at the first tick, 1 at the last."""
        first, last = self.ends
        if self.log:
            first, last, value = math.log10(first), math.log10(last), math.log10(value)
        return min(max((value - first) / (last - first), 0.0), 1.0)


def linear(values: Iterable[float], steps: int = STEPS) -> Scale:
    """A linear scale over finite ``values`` with at most ``steps`` steps of 1, 2 or 5 times a power of 10."""
    tamed = [_tame(value) for value in values]
    return _linear(min(tamed), max(tamed), steps)


@lru_cache(1024)
def _linear(low: float, high: float, steps: int) -> Scale:
    most = max(-low, high)
    if high - low <= FLAT * most:
        middle, aside = (low + high) / 2, 0.05 * most or 1.0
        low, high = middle - aside, middle + aside
    least = math.floor(math.log10(high - low)) - 1
    for power in (least, least + 1, least + 2):
        for factor in (1, 2, 5):
            step = float(f"{factor}e{power}")
            first, last = math.floor(low / step), math.ceil(high / step)
            if last - first <= steps:
                marked = [factor * number for number in range(first, last + 1)]
                numbers = [float(f"{number}e{power}") for number in marked]
                return Scale(tuple(zip(numbers, _labels(numbers, power), strict=True)), log=False)
    raise AssertionError("no step size fits the range")


def logarithmic(values: Iterable[float]) -> Scale:
    """A logarithmic scale over finite positive ``values`` with at most ``MARKS`` ticks.

    Ticks are 1 to 9 times powers of ten, or 1, 2 and 5 times, or powers alone: the densest that fits.
    """
    tamed = [max(_tame(value), TINY) for value in values]
    return _logarithmic(min(tamed), max(tamed))


@lru_cache(1024)
def _logarithmic(low: float, high: float) -> Scale:
    for mantissas, decades in _LADDERS:
        number = (math.floor(math.log10(low)) - 1) // decades * len(mantissas)
        while _rung(mantissas, decades, number + 1) <= low:
            number += 1
        ticks = [_rung(mantissas, decades, number), _rung(mantissas, decades, number + 1)]
        while ticks[-1] < high and len(ticks) <= MARKS:
            ticks.append(_rung(mantissas, decades, number + len(ticks)))
        if len(ticks) <= MARKS:
            break
    return Scale(tuple((tick, short(tick)) for tick in ticks), log=True)


def short(value: float) -> str:
    """Write a number in few characters: 2, 0.05, 10,000, 1.5M, 2e+15."""
    size = abs(value)
    for unit, name in ((1e9, "B"), (1e6, "M")):
        if unit <= size < 1e12:
            return _minus(f"{value / unit:.6g}{name}")
    if size >= 1e12 or 0 < size < 1e-4:
        return _minus(f"{value:.6g}")
    return _minus(f"{value:,.6g}" if size < 1e5 else f"{value:,.0f}")


def _labels(numbers: Sequence[float], power: int) -> list[str]:
    most = max(-numbers[0], numbers[-1])
    if power >= 0 or not 1e-4 <= most < 1e6:
        return [short(number) for number in numbers]
    return [_minus(f"{number:,.{-power}f}") for number in numbers]


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _rung(mantissas: Sequence[int], decades: int, number: int) -> float:
    whole, part = divmod(number, len(mantissas))
    return float(f"{mantissas[part]}e{whole * decades}")


def _tame(value: float) -> float:
    return 0.0 if abs(value) < TINY else min(max(value, -HUGE), HUGE)
