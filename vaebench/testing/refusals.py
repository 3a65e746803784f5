"""Check that wrong shapes are refused, by an error that names them."""

import re
from collections.abc import Callable, Set

from vaebench.testing.law import LawBroken

Shapes = tuple[int, ...] | Set[tuple[int, ...]]


def refuses(call: Callable[[], object], given: Shapes, expected: Shapes) -> None:
    """Check that the call raises an error that names the given shape and the expected one.

    A set of shapes holds the ways to write one shape (flattened, for instance); any of them will do.

    :raises LawBroken: where there is no error, or its message lacks a number of either shape
    """
    try:
        call()
    except Exception as error:
        numbers = {int(n) for n in re.findall(r"\d+", str(error))}
        for side, shapes in (("given", given), ("expected", expected)):
            if not any(set(shape) <= numbers for shape in _ways(shapes)):
                raise LawBroken(
                    f"the error for shape {_either(given)}, where {_either(expected)} is expected, does not "
                    f"name the {side} shape: {error}",
                    sorted(numbers),
                    _either(shapes),
                ) from error
        return
    raise LawBroken(
        f"shape {_either(given)} was accepted where {_either(expected)} is expected",
        "no error",
        "an error that names both shapes",
    )


def _ways(shapes: Shapes) -> list[tuple[int, ...]]:
    return sorted(shapes) if isinstance(shapes, Set) else [shapes]


def _either(shapes: Shapes) -> str:
    return " or ".join(map(str, _ways(shapes)))
