"""Nats and bits per dimension."""

import math

from hypothesis import given
from hypothesis import strategies as st

from vaebench.maths import units


@given(st.integers(1, 16), st.integers(1, 1000))
def test_a_uniform_image_of_2_to_the_n_levels_costs_n_bits(bits: int, dims: int) -> None:
    assert math.isclose(units.bits_per_dim(dims * math.log(2**bits), dims), bits, rel_tol=1e-12)
