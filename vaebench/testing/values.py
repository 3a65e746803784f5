"""Values of a part's parameters: small ones, and those at the ends of their ranges."""

from functools import cache
from typing import Any

from msgspec import inspect

from vaebench.composing.parameters import REQUIRED, Parameter, parameters_of

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
    """
    return {name: tuple(dict.fromkeys(_of(p))) for name, p in parameters_of(target).items()}


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
        case inspect.FloatType(ge=ge, gt=gt, le=le, lt=lt):
            low = ge if ge is not None else None if gt is None else gt + 1e-3
            high = le if le is not None else None if lt is None else lt - 1e-3
            return [*default, *examples, *(v for v in (low, high) if v is not None)]
    return [*default, *examples]


def _integers(told: Any, default: list[Any], examples: list[Any]) -> list[Any]:
    least = told.ge if told.ge is not None else told.gt + 1 if told.gt is not None else 0
    most = told.le if told.le is not None else told.lt - 1 if told.lt is not None else DEAR
    each = told.multiple_of or 1
    numbers = [v for v in default if v is not None]
    first = max(least, min([*numbers, SIZE, most]))
    tried = [-(-v // each) * each for v in (first, least, least + 1, *numbers, most)]
    allowed = [v for v in tried if least <= v <= most and (v <= DEAR or v == tried[0])]
    return [
        *(v for v in default[:1] if v is None),
        *allowed,
        *(v for v in default[1:] if v is None),
        *examples,
    ]
