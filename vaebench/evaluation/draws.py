"""The seed and the batch size of a measurement."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Draws:
    """Seed of the noise, and how many rows are computed at once."""

    seed: int = 0
    rows: int = 2000
    """Images times samples. Noise belongs to image and sample, so that this changes rounding only."""
