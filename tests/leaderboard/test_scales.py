"""Axes: monotone, covering, and marked at round numbers, for any numbers."""

import math
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vaebench.leaderboard.scales import HUGE, MARKS, STEPS, TINY, Scale, linear, logarithmic, short

from .strategies import laws

finite = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(-1e6, 1e6),
    st.integers(-50, 50).map(float),
)
positive = finite.map(lambda value: abs(value) or 1.0)
values = st.lists(finite, min_size=1, max_size=8)
positives = st.lists(positive, min_size=1, max_size=8)


def nearly_in(scale: Scale, value: float) -> bool:
    first, last = scale.ends
    value = min(max(value, -HUGE), HUGE)
    if scale.log:
        return first * (1 - 1e-12) <= max(value, TINY) <= last * (1 + 1e-12)
    slack = 1e-9 * (last - first)
    return first - slack <= value <= last + slack


def ordered(scale: Scale, taken: list[float]) -> bool:
    places = [scale.at(value) for value in sorted(taken)]
    return places == sorted(places) and all(0 <= place <= 1 for place in places)


@laws
@given(values, st.integers(5, STEPS))
def test_linear_ticks_cover_the_numbers_in_equal_round_steps(taken: list[float], steps: int) -> None:
    scale = linear(taken, steps)
    ticks = [tick for tick, _ in scale.ticks]
    assert all(nearly_in(scale, value) for value in taken)
    assert 2 <= len(ticks) <= steps + 1
    # In decimals, as they are written: a float's own value is next to the round number.
    exact = [Fraction(repr(tick)) for tick in ticks]
    (step,) = {after - before for before, after in pairwise(exact)}
    assert step > 0
    assert step / 10 ** Fraction(math.floor(math.log10(step))) in (1, 2, 5)
    assert all(tick % step == 0 for tick in exact)


@laws
@given(values)
def test_linear_ticks_leave_no_room_to_spare(taken: list[float]) -> None:
    ticks = [tick for tick, _ in linear(taken).ticks]
    assert ticks[1] > max(min(taken), -HUGE) or math.isclose(min(taken), max(taken), rel_tol=1e-4)
    assert ticks[-2] < min(max(taken), HUGE) or math.isclose(min(taken), max(taken), rel_tol=1e-4)


@laws
@given(positives)
def test_logarithmic_ticks_cover_the_numbers_at_round_ones(taken: list[float]) -> None:
    scale = logarithmic(taken)
    assert all(nearly_in(scale, value) for value in taken)
    assert 2 <= len(scale.ticks) <= MARKS
    assert all(len(Decimal(repr(tick)).normalize().as_tuple().digits) == 1 for tick, _ in scale.ticks)


@laws
@given(values, positives, st.lists(finite), st.lists(positive))
def test_a_larger_number_is_never_before(
    taken: list[float], above: list[float], others: list[float], more: list[float]
) -> None:
    assert ordered(linear(taken), taken + others)
    assert ordered(logarithmic(above), above + more)


@laws
@given(values, positives)
def test_the_ends_and_the_middle_lie_where_they_must(taken: list[float], above: list[float]) -> None:
    for scale in (linear(taken), logarithmic(above)):
        first, last = scale.ends
        middle = math.sqrt(first) * math.sqrt(last) if scale.log else first / 2 + last / 2
        assert (scale.at(first), scale.at(last)) == (0, 1)
        assert math.isclose(scale.at(middle), 0.5, abs_tol=1e-9)


@laws
@given(values, positives)
def test_labels_tell_ticks_apart_and_are_short(taken: list[float], above: list[float]) -> None:
    for scale in (linear(taken), logarithmic(above)):
        labels = [label for _, label in scale.ticks]
        assert len(set(labels)) == len(labels)
        assert max(map(len, labels)) <= 14
        assert "-" not in "".join(labels)


UNITS = {"M": 1e6, "B": 1e9}


@laws
@given(finite)
def test_a_short_number_reads_as_the_number(value: float) -> None:
    text = short(value).replace("−", "-").replace(",", "")
    read = float(text.rstrip("MB")) * UNITS.get(text[-1], 1)
    assert math.isclose(read, value, rel_tol=1e-5) or (abs(value) >= 1e5 and abs(read - value) <= 0.5)
    assert len(text) <= 13
