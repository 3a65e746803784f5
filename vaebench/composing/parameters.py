"""The parameters of a component: its keyword-only arguments, read from annotations; text <-> value."""

import inspect
import math
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from types import NoneType, UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import msgspec

from vaebench.errors import UsageError, VaebenchError
from vaebench.text import nearest, one_line


class _Required(Enum):
    REQUIRED = "required"


REQUIRED: Final = _Required.REQUIRED
"""The default of a parameter that must be given."""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One keyword-only argument: its annotation, its default or ``REQUIRED``, and a description."""

    name: str
    type: Any
    default: Any
    meaning: str
    accepts: str
    """The allowed values as a phrase, such as ``"an integer >= 1, or none"``."""


def text(value: str | bool | int | float | None) -> str:
    """Return the canonical text of a value, which ``convert`` reads back as the same value.

    :raises TypeError: where the value has a type that no parameter can have
    """
    match value:
        case None:
            return "none"
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int():
            return str(value)
        case float():
            return repr(value + 0.0)  # -0.0 equals 0.0, so both have one text
    raise TypeError(f"a parameter cannot have the type {type(value).__name__}")


def parameters_of(target: Any) -> dict[str, Parameter]:
    """Return the parameters of a class, a function or a ``msgspec.Struct``, in the order of declaration.

    :raises VaebenchError: where an annotation or a default breaks the rules of ``vaebench.hookspecs``
    """
    where = getattr(target, "__qualname__", None) or one_line(repr(target))
    # The hints of a Struct are its class's; its constructor has none.
    annotated = target.__init__ if inspect.isclass(target) and not _is_struct(target) else target
    try:
        hints = get_type_hints(annotated, include_extras=True)
        arguments = inspect.signature(target if _is_struct(target) else annotated).parameters.values()
    except Exception as error:
        raise VaebenchError(f"the parameters of {where} cannot be read: {one_line(error)}") from error
    return {
        argument.name: _parameter(where, argument, hints.get(argument.name))
        for argument in arguments
        if argument.kind is argument.KEYWORD_ONLY
    }


def convert(
    label: str, parameters: Mapping[str, Parameter], given: Mapping[str, Any], part: str = ""
) -> dict[str, Any]:
    """Return the given values, typed and checked, in the order of the parameters; defaults are not filled in.

    A typed value is read like its text, so that a command line and a TOML file mean the same: 1 is accepted
    as a float, 1.0 and true are not integers, and ``none`` is None.

    :param label: where the values were given (``"enc"``), for messages; may be empty
    :param part: the name of the component, for messages
    :raises UsageError: for an unknown name, a value that does not fit, or a missing required value
    """
    prefix = f"{label}." if label else ""
    for name in given:
        if name not in parameters:
            raise UsageError(f"{prefix}{one_line(name)}: {_unknown(name, parameters, part)}")
    for parameter in parameters.values():
        if parameter.default is REQUIRED and parameter.name not in given:
            raise UsageError(f"{prefix}{parameter.name} is missing: {parameter.accepts} is expected")
    return {
        parameter.name: _convert(prefix, parameter, given[parameter.name])
        for parameter in parameters.values()
        if parameter.name in given
    }


def _convert(prefix: str, parameter: Parameter, value: Any) -> Any:
    try:
        return _Annotation.of(parameter.type).read(text(value))
    except (ValueError, TypeError):
        shown = one_line(value)
        raise UsageError(f"{prefix}{parameter.name}={shown}: {parameter.accepts} is expected") from None


def _unknown(name: str, parameters: Mapping[str, Parameter], part: str) -> str:
    names = ", ".join(parameters) or "none"
    problem = f"{part} has no such parameter" if part else "there is no such parameter"
    return f"{problem}; parameters are {names}{nearest(name, parameters)}"


def _is_struct(target: Any) -> bool:
    return inspect.isclass(target) and issubclass(target, msgspec.Struct)


def _parameter(where: str, argument: inspect.Parameter, hint: Any) -> Parameter:
    """Read one argument, and check that its default is in its own range."""
    try:
        annotation = _Annotation.of(hint)
    except TypeError as error:
        raise VaebenchError(f"parameter {argument.name} of {where}: {one_line(error)}") from error
    default: Any = REQUIRED
    if argument.default is not argument.empty:
        with suppress(ValueError, TypeError):
            default = annotation.read(text(argument.default))
        if default != argument.default:
            shown = one_line(repr(argument.default))
            raise VaebenchError(
                f"parameter {argument.name} of {where} has the default {shown}: "
                f"{annotation.accepts} is expected"
            )
    return Parameter(argument.name, hint, default, annotation.meaning, annotation.accepts)


_READERS: Mapping[Any, Callable[[str], Any]] = {
    bool: lambda word: {"false": False, "true": True}[word.casefold()],
    int: int,
    float: float,
    str: str,
}
_WORDS = {bool: "true or false", int: "an integer", float: "a number", str: "text"}
_LIMITS = {
    "ge": ">= {}",
    "gt": "> {}",
    "le": "<= {}",
    "lt": "< {}",
    "multiple_of": "a multiple of {}",
    "pattern": "matching {}",
    "min_length": "of {} or more characters",
    "max_length": "of {} or fewer characters",
}


@dataclass(frozen=True, slots=True)
class _Annotation:
    """An annotation taken apart: ``Annotated`` and ``| None``, in either order, around one type."""

    hint: Any
    base: Any
    metas: tuple[msgspec.Meta, ...]
    optional: bool
    choices: Mapping[str, Any]
    """A ``Literal``'s values by their text; empty for other types."""

    @classmethod
    def of(cls, hint: Any) -> "_Annotation":
        """Take an annotation apart.

        :raises TypeError: where a parameter cannot have this type, or msgspec refuses the limits
        """
        base: Any = hint
        optional = False
        metas: tuple[msgspec.Meta, ...] = ()
        while get_origin(base) in (Annotated, Union, UnionType):
            if get_origin(base) is Annotated:
                metas += tuple(m for m in base.__metadata__ if isinstance(m, msgspec.Meta))
                base = base.__origin__
            else:
                some = [member for member in get_args(base) if member is not NoneType]
                base, optional = some[0] if len(some) == 1 else None, True
        values = get_args(base) if get_origin(base) is Literal else ()
        if not values and base not in _READERS:
            expected = "int, float, bool, str or Literal, with msgspec.Meta and | None, is expected"
            raise TypeError(f"annotation {hint}: {expected}")
        choices = {text(value): value for value in values}
        if len(choices) < len(values) or (optional and "none" in choices):
            raise TypeError(f"annotation {hint}: two of its values have the same text")
        with suppress(msgspec.ValidationError):
            msgspec.convert("", hint)
        return cls(hint, base, metas, optional, choices)

    @property
    def accepts(self) -> str:
        limits = " and ".join(
            wording.format(getattr(meta, name))
            for meta in self.metas
            for name, wording in _LIMITS.items()
            if getattr(meta, name) is not None
        )
        words = f"one of {', '.join(self.choices)}" if self.choices else _WORDS[self.base]
        return f"{words} {limits}".rstrip() + (", or none" if self.optional else "")

    @property
    def meaning(self) -> str:
        return next((meta.description for meta in self.metas if meta.description), "")

    def read(self, word: str) -> Any:
        """Return the value that a text means.

        :raises ValueError: where the text is not of the type or outside its range
        """
        if self.optional and word.casefold() == "none":
            return None
        try:
            value = self.choices[word] if self.choices else _READERS[self.base](word)
        except KeyError:
            raise ValueError(word) from None
        if self.base is float and not math.isfinite(value):
            raise ValueError(word)
        return msgspec.convert(value, self.hint)  # its ValidationError is a ValueError
