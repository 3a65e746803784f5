"""The only place where nats become bits per dimension."""

import math


def bits_per_dim(nats: float, dims: int) -> float:
    """nats / (dims · ln 2), for nats per image and dims = C·H·W pixel values of discrete data."""
    return nats / (dims * math.log(2))


def nats(bits_per_dim: float, dims: int) -> float:
    """The inverse: bits per dimension · dims · ln 2."""
    return bits_per_dim * dims * math.log(2)
