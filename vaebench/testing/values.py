"""Values of a part's parameters: small ones, and those at the ends of their ranges."""

from functools import cache
from typing import Any

from msgspec import inspect

from vaebench.composing.parameters import REQUIRED, Parameter, parameters_of
from vaebench.errors import VaebenchError

SIZE = 3
"""What sizes are turned down to, so that a law is quick."""
DEAR = 16
"""Integers above this are not tried: they are sizes, and cost time only."""


def small(target: Any) -> dict[str, Any]:
    """Every parameter of a part at its default, sizes turned down."""
    return {name: options[0] for name, options in extremes(target).items()}


@cache
def extremes(target: Any) -> dict[str, tuple[Any, ...]]:
    """Parameter -> values worth trying: a small one first, then the ends of its range and all choices.

    A string is tried at its default and at the ``examples`` of its ``msgspec.Meta``.

    :raises VaebenchError: for a required one of which no value is known
    """
    values = {name: tuple(dict.fromkeys(_of(p))) for name, p in parameters_of(target).items()}
    for name, some in values.items():
        if not some:
            raise VaebenchError(
                f"no value to try of parameter {name}: give it a default or examples in its msgspec.Meta"
            )
    return values


def excuses(target: Any) -> dict[str, str]:
    """Parameter -> why no law can see what it does: ``Meta(extra={"unseen": "..."})`` of its annotation."""
    reasons: dict[str, str] = {}
    for name, parameter in parameters_of(target).items():
        told: Any = inspect.type_info(parameter.type)
        while isinstance(told, inspect.Metadata):
            if reason := (told.extra or {}).get("unseen"):
                reasons[name] = reason
            told = told.type
    return reasons


def _of(parameter: Parameter) -> list[Any]:
    default = [] if parameter.default is REQUIRED else [parameter.default]
    told: Any = inspect.type_info(parameter.type)
    examples: list[Any] = []
    while isinstance(told, inspect.Metadata | inspect.UnionType):
        if isinstance(told, inspect.Metadata):
            examples += (told.extra_json_schema or {}).get("examples", [])
            told = told.type
        else:
            default += [None]
            told = next(t for t in told.types if not isinstance(t, inspect.NoneType))
            while isinstance(told, inspect.Metadata):
                examples += (told.extra_json_schema or {}).get("examples", [])
                told = told.type
    return _values(told, default, examples)


def _values(told: Any, default: list[Any], examples: list[Any]) -> list[Any]:
    match told:
        case inspect.BoolType():
            return [*default, False, True]
        case inspect.LiteralType(values=values):
            return [*default, *values]
        case inspect.IntType():
            return _integers(told, default, examples)
        case inspect.FloatType():
            return [*default, *examples, *_ends(told), *_larger(told, default)]
        case inspect.StrType():
            # The text of a number, as of blocks at each size: the next one too.
            more = [str(int(v) + 1) for v in default[:1] if isinstance(v, str) and v.isdecimal()]
            return [*default, *examples, *more]
    return [*default, *examples]


INSIDE = 1e-3
"""How far inside an open end of a range its value is, or a quarter of the range where that is less."""


def _ends(told: Any) -> list[float]:
    """The ends of a float's range; just inside those that are open."""
    low = told.ge if told.ge is not None else told.gt
    high = told.le if told.le is not None else told.lt
    inside = INSIDE if low is None or high is None else min(INSIDE, (high - low) / 4)
    ends = []
    if low is not None:
        ends.append(low if told.ge is not None else low + inside)
    if high is not None:
        ends.append(high if told.le is not None else high - inside)
    return ends


def _larger(told: Any, default: list[Any]) -> list[float]:
    """Of a float without an upper end, one that is twice as large as what is given, or 1."""
    if told.le is not None or told.lt is not None:
        return []
    given = [v for v in (*default, told.ge, told.gt) if v is not None]
    return [2.0 * max(given) if given and max(given) > 0 else 1.0]


def _integers(told: Any, default: list[Any], examples: list[Any]) -> list[Any]:
    """A small integer first; then the ends of the range and what is near, sizes above ``DEAR`` left out."""
    each = told.multiple_of or 1
    low = told.ge if told.ge is not None else told.gt + 1 if told.gt is not None else None
    high = told.le if told.le is not None else told.lt - 1 if told.lt is not None else None
    least = low if low is not None else 0 if high is None or high >= each else high - 2 * each
    least = -(-least // each) * each
    most = high if high is not None else max(DEAR, least)
    numbers = [v for v in default if v is not None]
    first = max(least, min([*numbers, SIZE, most]) // each * each)
    tried = [first, least, least + each, *numbers, most // each * each, -(-SIZE // each) * each]
    allowed = [v for v in tried if least <= v <= most and (v <= DEAR or v == first)]
    return [
        *(v for v in default[:1] if v is None),
        *allowed,
        *(v for v in default[1:] if v is None),
        *examples,
    ]
