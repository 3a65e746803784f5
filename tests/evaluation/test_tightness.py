"""The bound at growing K: its last rung is the bound that is scored; it falls to −log p(x) in the mean."""

import math
from itertools import pairwise

import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import bounds
from vaebench.evaluation.subset import evenly_spaced
from vaebench.evaluation.tightness import ladder, tightness
from vaebench.testing.known import evidence, linear_gaussian


@given(st.integers(1, 10**6))
def test_a_ladder_rises_by_half_decades_to_its_end(most: int) -> None:
    steps = ladder(most)
    assert steps[0] == 1
    assert steps[-1] == most
    assert all(1 < b / a <= 10 / 3 for a, b in pairwise(steps))


@given(
    dims=st.integers(2, 4), most=st.sampled_from([1, 7, 30]), rows=st.integers(1, 80), seed=st.integers(0, 99)
)
@settings(max_examples=20)
def test_whatever_is_scored_at_once_the_last_rung_is_the_scored_bound(
    dims: int, most: int, rows: int, seed: int
) -> None:
    model = linear_gaussian(dims, 2, seed).eval()
    x = torch.randint(0, 9, (9, 1, 1, dims))
    found = tightness(model, x, 4, most, Draws(seed, rows))
    chosen = evenly_spaced(9, 4)
    whole = bounds(model, x, most, Draws(seed, 100)).iwae[chosen]
    assert found.images == 4
    assert math.isclose(found.nll[-1].nats, -whole.mean().item(), rel_tol=1e-9)


@given(seed=st.integers(0, 10**6))
@settings(max_examples=10)
def test_each_rung_is_lower_in_the_mean_and_none_below_the_evidence(seed: int) -> None:
    model = linear_gaussian(3, 1, seed)
    x = torch.randint(0, 9, (1, 1, 1, 3)).expand(64, -1, -1, -1)
    found = tightness(model, x, 64, 300, Draws(seed, 64 * 300))
    floor = -evidence(model, x[:1]).item()
    errors = [each.nats_se for each in found.nll]
    nats = [each.nats for each in found.nll]
    for k, (one, error) in enumerate(zip(nats, errors, strict=True)):
        assert one >= floor - 6 * error - 1e-9
        assert all(
            later <= one + 6 * (error + e) + 1e-9 for later, e in zip(nats[k:], errors[k:], strict=True)
        )
