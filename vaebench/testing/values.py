"""Values of a component's parameters: small ones, and the ends of their ranges."""

from functools import cache
from typing import Any

from msgspec import inspect

from vaebench.composing.parameters import REQUIRED, Parameter, parameters_of
from vaebench.errors import VaebenchError

SIZE = 3
"""The value that larger sizes are reduced to, so that a law is quick."""
DEAR = 16
"""Larger integers are not tried: they are sizes, and only cost time."""


def small(target: Any) -> dict[str, Any]:
    """Give every parameter its default, with sizes reduced."""
    return {name: options[0] for name, options in extremes(target).items()}


@cache
def extremes(target: Any) -> dict[str, tuple[Any, ...]]:
    """Map each parameter to its values to try: a small one first, then the ends of its range and all choices.

    A string is tried at its default and at the ``examples`` of its ``msgspec.Meta``.

    :raises VaebenchError: for a required parameter without any value to try
    """
    values = {name: tuple(dict.fromkeys(_of(p))) for name, p in parameters_of(target).items()}
    for name, some in values.items():
        if not some:
            raise VaebenchError(
                f"no value to try for parameter {name}: give it a default or examples in its msgspec.Meta"
            )
    return values


def excuses(target: Any) -> dict[str, str]:
    """Map a parameter to the reason why no law can see its effect: ``Meta(extra={"unseen": "..."})``."""
    reasons: dict[str, str] = {}
    for name, parameter in parameters_of(target).items():
        annotation: Any = inspect.type_info(parameter.type)
        while isinstance(annotation, inspect.Metadata):
            if reason := (annotation.extra or {}).get("unseen"):
                reasons[name] = reason
            annotation = annotation.type
    return reasons


def _of(parameter: Parameter) -> list[Any]:
    default = [] if parameter.default is REQUIRED else [parameter.default]
    type_info: Any = inspect.type_info(parameter.type)
    examples: list[Any] = []
    while isinstance(type_info, inspect.Metadata | inspect.UnionType):
        if isinstance(type_info, inspect.Metadata):
            examples += (type_info.extra_json_schema or {}).get("examples", [])
            type_info = type_info.type
        else:
            default += [None]
            type_info = next(t for t in type_info.types if not isinstance(t, inspect.NoneType))
            while isinstance(type_info, inspect.Metadata):
                examples += (type_info.extra_json_schema or {}).get("examples", [])
                type_info = type_info.type
    return _values(type_info, default, examples)


def _values(type_info: Any, default: list[Any], examples: list[Any]) -> list[Any]:
    match type_info:
        case inspect.BoolType():
            return [*default, False, True]
        case inspect.LiteralType(values=values):
            return [*default, *values]
        case inspect.IntType():
            return _integers(type_info, default, examples)
        case inspect.FloatType():
            return [*default, *examples, *_ends(type_info), *_larger(type_info, default)]
        case inspect.StrType():
            # A string that is a number, such as blocks=1: try the next number too.
            more = [str(int(v) + 1) for v in default[:1] if isinstance(v, str) and v.isdecimal()]
            return [*default, *examples, *more]
    return [*default, *examples]


INSIDE = 1e-3
"""How far inside an open end of a range the value lies; at most a quarter of the range."""


def _ends(type_info: Any) -> list[float]:
    """The ends of a float's range; a value just inside where an end is open."""
    low = type_info.ge if type_info.ge is not None else type_info.gt
    high = type_info.le if type_info.le is not None else type_info.lt
    inside = INSIDE if low is None or high is None else min(INSIDE, (high - low) / 4)
    ends = []
    if low is not None:
        ends.append(low if type_info.ge is not None else low + inside)
    if high is not None:
        ends.append(high if type_info.le is not None else high - inside)
    return ends


def _larger(type_info: Any, default: list[Any]) -> list[float]:
    """For a float without an upper end, twice the largest value so far, or 1."""
    if type_info.le is not None or type_info.lt is not None:
        return []
    given = [v for v in (*default, type_info.ge, type_info.gt) if v is not None]
    return [2.0 * max(given) if given and max(given) > 0 else 1.0]


def _integers(type_info: Any, default: list[Any], examples: list[Any]) -> list[Any]:
    """A small integer first, then the ends of the range and values near them; no sizes above ``DEAR``."""
    step = type_info.multiple_of or 1
    low = type_info.ge if type_info.ge is not None else type_info.gt + 1 if type_info.gt is not None else None
    high = (
        type_info.le if type_info.le is not None else type_info.lt - 1 if type_info.lt is not None else None
    )
    least = low if low is not None else 0 if high is None or high >= step else high - 2 * step
    least = -(-least // step) * step
    most = high if high is not None else max(DEAR, least)
    numbers = [v for v in default if v is not None]
    first = max(least, min([*numbers, SIZE, most]) // step * step)
    tried = [first, least, least + step, *numbers, most // step * step, -(-SIZE // step) * step]
    allowed = [v for v in tried if least <= v <= most and (v <= DEAR or v == first)]
    return [
        *(v for v in default[:1] if v is None),
        *allowed,
        *(v for v in default[1:] if v is None),
        *examples,
    ]
