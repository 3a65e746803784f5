"""How a measurement draws: with which noise, and how much of it at once."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Draws:
    """Seed of the noise, and how many rows are computed at once."""

    seed: int = 0
    rows: int = 2000
    """Images times samples. Noise belongs to image and sample, so that this changes rounding only."""
