"""The specification of a composition: its components and their parameters; text <-> frozen ``Spec``.

A composition is written ``slot=name`` and ``slot.parameter=value``, separated by commas, in any order. A
piece without ``=`` continues the value before it: ``latent.blocks=1x1,4m1,4x2``. Values are text until a
component reads them. The canonical text of a spec is its identity.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from vaebench.composing.parameters import text
from vaebench.composing.slots import SLOTS
from vaebench.errors import UsageError
from vaebench.registry import NAME, Registry, load
from vaebench.text import CONTROL, nearest, one_line

_SYNONYMS = (
    {slot: slot for slot in SLOTS} | {kind: slot for slot, kind in SLOTS.items()} | {"latents": "latent"}
)
_PARAMETER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SOME = "write slot=name and slot.parameter=value, separated by commas"


def _frozen(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    return MappingProxyType({name: text(value) for name, value in sorted(parameters.items())})


@dataclass(frozen=True)
class Choice:
    """The name of a slot's component (None: the default) and its parameters as text, sorted by name."""

    name: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "parameters", _frozen(self.parameters))

    def __hash__(self) -> int:
        return hash((self.name, tuple(self.parameters.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return Choice, (self.name, dict(self.parameters))


@dataclass(frozen=True)
class Spec:
    """A composition: the choice for each slot that is not left open, in the order of ``SLOTS``.

    ``str`` returns the canonical text: ``parse(str(spec)) == spec``.

    :raises UsageError: where a name, a parameter or a value cannot be written as text
    """

    choices: Mapping[str, Choice]

    def __post_init__(self) -> None:
        if not self.choices:
            raise UsageError(f"the composition is empty: {_SOME}")
        for slot in self.choices:
            if slot not in SLOTS:
                raise UsageError(_no_slot(slot))
        choices = {slot: _checked(slot, self.choices[slot]) for slot in SLOTS if slot in self.choices}
        object.__setattr__(self, "choices", MappingProxyType(choices))

    def __hash__(self) -> int:
        return hash(tuple(self.choices.items()))

    def __reduce__(self) -> tuple[Any, ...]:
        return parse, (str(self),)

    def __str__(self) -> str:
        pieces = []
        for slot, choice in self.choices.items():
            pieces += [f"{slot}={choice.name}"] if choice.name is not None else []
            pieces += [f"{slot}.{name}={value}" for name, value in choice.parameters.items()]
        return ",".join(pieces)


def parse(compose: str) -> Spec:
    """Read the text of a composition.

    :raises UsageError: with the piece that is wrong and the most similar valid one
    """
    if not compose.strip():
        raise UsageError(f"the composition is empty: {_SOME}")
    pairs: list[tuple[str, str]] = []
    for piece in _printable(compose).split(","):
        key, equals, value = (part.strip() for part in piece.partition("="))
        if equals and value:
            pairs.append((key, value))
        elif equals:
            raise UsageError(f"{one_line(key)}=: a value is missing")
        elif not key:
            raise UsageError(f"{one_line(compose)}: a piece between commas is empty; {_SOME}")
        elif pairs and "." in pairs[-1][0]:
            pairs[-1] = (pairs[-1][0], f"{pairs[-1][1]},{key}")
        else:
            raise UsageError(_bare(key))
    return _gather(pairs)


def from_table(table: Mapping[str, Any]) -> Spec:
    """Read the table of a recipe: ``enc = "resnet"`` or ``enc = { name = "resnet", width = 64 }``.

    :raises UsageError: as ``parse``
    """
    if not isinstance(table, Mapping):
        raise UsageError(f"{one_line(table)}: a table of slots is expected")
    pairs = []
    for key, choice in table.items():
        if choice == {}:
            raise UsageError(f"{one_line(key)}: a name or a parameter is expected")
        for name, value in choice.items() if isinstance(choice, Mapping) else (("name", choice),):
            label = key if name == "name" else f"{key}.{name}"
            if not isinstance(value, str | int | float):
                raise UsageError(
                    f"{one_line(label)}={one_line(value)}: text, a number, true or false is expected"
                )
            pairs.append((label, text(value)))
    return _gather(pairs)


def check_names(spec: Spec, registry: Registry) -> None:
    """Check that every named component is registered.

    :raises UsageError: for the first one that is not, with the most similar name
    """
    for slot, choice in spec.choices.items():
        if choice.name is not None:
            registry.get(SLOTS[slot], choice.name)


def _gather(pairs: Iterable[tuple[str, str]]) -> Spec:
    """Make a spec from pairs of ``slot`` or ``slot.parameter`` and value, each given once."""
    values: dict[tuple[str, str | None], str] = {}
    for key, value in pairs:
        slot, dot, parameter = (part.strip() for part in key.partition("."))
        if slot not in _SYNONYMS:
            raise UsageError(_no_slot(slot))
        place = _SYNONYMS[slot], parameter if dot else None
        if place in values:
            raise UsageError(
                f"{one_line(key)} is given twice: {one_line(values[place])} and {one_line(value)}"
            )
        values[place] = value
    return Spec(
        {
            slot: Choice(
                values.get((slot, None)),
                {p: value for (s, p), value in values.items() if s == slot and p is not None},
            )
            for slot in dict.fromkeys(slot for slot, _ in values)
        }
    )


def _printable(value: str) -> str:
    if CONTROL.search(value):
        raise UsageError(f"{one_line(value)}: control characters and line ends are not allowed")
    return value


def _no_slot(slot: str) -> str:
    slots = ", ".join(SLOTS)
    if not slot:
        return f"the name of a slot is missing; slots are {slots}"
    return f"there is no slot {one_line(slot)}; slots are {slots}{nearest(slot, _SYNONYMS)}"


def _bare(word: str) -> str:
    """Describe a word without ``=``: the slots where it belongs if it names a component."""
    components = load()
    places = [f"{slot}={word}" for slot, kind in SLOTS.items() if word in components.names(kind)]
    if places:
        return f"{word} has no slot: write {' or '.join(places)}"
    names = {name for kind in SLOTS.values() for name in components.names(kind)}
    return f"{one_line(word)} has no slot: {_SOME}{nearest(word, sorted(names))}"


def _checked_name(label: str, name: str) -> str:
    if NAME.fullmatch(name):
        return name
    usual = name.lower().replace("_", "-")
    hint = f" (did you mean {usual}?)" if NAME.fullmatch(usual) else ""
    raise UsageError(
        f"{label}{one_line(name)}: a name is lowercase letters, digits and hyphens, a letter first{hint}"
    )


def _checked_parameter(label: str, parameter: str) -> None:
    if not _PARAMETER.fullmatch(parameter):
        raise UsageError(
            f"{label}: a parameter is written slot.parameter, with one dot; letters, digits and underscores"
        )


def _checked(slot: str, choice: Choice) -> Choice:
    """Return the choice with its values in canonical form.

    :raises UsageError: where a name, a parameter or a value cannot be written as text
    """
    if choice.name is not None:
        _checked_name(f"{slot}=", choice.name)
    elif not choice.parameters:
        raise UsageError(f"{slot}: a name or a parameter is expected")
    parameters = {}
    for parameter, value in choice.parameters.items():
        label = f"{slot}.{one_line(parameter)}"
        _checked_parameter(label, parameter)
        if parameter == "name":
            raise UsageError(f"{label}: the name of a component is written {slot}=name")
        pieces = [piece.strip() for piece in _printable(value).split(",")]
        if not all(pieces):
            raise UsageError(
                f"{label}={one_line(value)}: a value, or a piece of it between commas, is missing"
            )
        if any("=" in piece for piece in pieces[1:]):
            raise UsageError(f"{label}={one_line(value)}: a value cannot contain = after a comma")
        parameters[parameter] = ",".join(pieces)
    return Choice(choice.name, parameters)


_NEXT = re.compile(r",\s*(?=[A-Za-z_][A-Za-z0-9_]*\s*=)")


@dataclass(frozen=True)
class DataSpec:
    """A data set: its name, its argument after the colon (such as a path) or None, and its parameters.

    ``str`` returns the canonical text: ``parse_data(str(spec)) == spec``.

    :raises UsageError: where a name, a parameter or a value cannot be written as text
    """

    name: str
    argument: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _checked_name("data set ", self.name)
        if self.argument is not None:
            object.__setattr__(self, "argument", _data_value(f"{self.name}:", self.argument))
        for parameter in self.parameters:
            _checked_parameter(f"{self.name},{one_line(parameter)}", parameter)
        values = {p: _data_value(f"{p}=", value) for p, value in _frozen(self.parameters).items()}
        object.__setattr__(self, "parameters", MappingProxyType(values))

    def __hash__(self) -> int:
        return hash((self.name, self.argument, tuple(self.parameters.items())))

    def __reduce__(self) -> tuple[Any, ...]:
        return parse_data, (str(self),)

    def __str__(self) -> str:
        head = self.name if self.argument is None else f"{self.name}:{self.argument}"
        return ",".join([head, *(f"{name}={value}" for name, value in self.parameters.items())])


def parse_data(data: str) -> DataSpec:
    """Read ``name`` or ``name:argument``, either with ``,parameter=value`` after it.

    The argument and each value end at the next comma that precedes ``word=``.

    :raises UsageError: where the text is not of this form
    """
    if not data.strip():
        raise UsageError("the data set is missing: write name, name:argument or name,parameter=value")
    head, *rest = _NEXT.split(_printable(data))
    name, colon, argument = head.partition(":")
    parameters: dict[str, str] = {}
    for piece in rest:
        parameter, _, value = (part.strip() for part in piece.partition("="))
        if parameter in parameters:
            raise UsageError(
                f"{parameter} is given twice: {one_line(parameters[parameter])} and {one_line(value)}"
            )
        parameters[parameter] = value
    return DataSpec(name.strip(), argument if colon else None, parameters)


def _data_value(label: str, value: str) -> str:
    value = _printable(value).strip()
    if not value:
        raise UsageError(f"{label} a value is missing")
    if _NEXT.search(value):
        raise UsageError(f"{label}{one_line(value)}: a value cannot contain word= after a comma")
    return value
