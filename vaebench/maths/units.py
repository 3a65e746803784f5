"""The conversion of nats to bits per dimension."""

import math


def bits_per_dim(nats: float, dims: int) -> float:
    """Compute nats / (dims · ln 2), for nats per image and dims = C·H·W pixel values of discrete data."""
    return nats / (dims * math.log(2))
