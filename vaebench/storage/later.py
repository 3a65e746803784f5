"""Fields that were added later: what their absence means in tables that were written before.

A record, a run's request and a checkpoint contain the fields that their tables had when they were written. A
field that was added later states, beside its type, what its absence means::

    ema_warmup: Annotated[bool, Meta(description="..."), later(False, since=5)] = True

An old table is read with that value, whatever the default is today. The digest that names a table leaves out
each such field whose value equals the meaning of its absence. So neither a new field nor a changed default
renames existing records and runs.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, TypeVar

import msgspec
from msgspec import Meta, inspect

T = TypeVar("T")
_MARK = "absence"
_Items = Callable[[Mapping[Any, Any]], Iterable[tuple[Any, Any]]]

EVERY = math.inf
"""The ``always`` of ``content`` that leaves out nothing."""


@dataclass(frozen=True, slots=True)
class Absence:
    """The meaning of a missing field, and the number of the change that added the field."""

    value: Any
    since: int


def later(absent: Any, *, since: int) -> Meta:
    """Mark a field that was added later.

    :param absent: the value that a table without the field means; it never changes, but the default may
    :param since: the number of the change that adds the field: one more than the largest in the package. A
        table that was itself added in that change or a later one always had the field.
    """
    return Meta(extra={_MARK: Absence(absent, since)})


@cache
def absences(table: type) -> Mapping[str, Absence]:
    """Return the fields of a Struct or dataclass that were added later, by name."""
    described = inspect.type_info(table)
    if not isinstance(described, inspect.StructType | inspect.DataclassType):
        return {}
    marks = {field.name: _marks(field.type) for field in described.fields}
    return {name: absence for name, absence in marks.items() if absence is not None}


def _marks(described: inspect.Type) -> Absence | None:
    if isinstance(described, inspect.UnionType) and any(map(_marks, described.types)):
        raise TypeError("later() must mark the whole type of a field, including | None")
    if not isinstance(described, inspect.Metadata):
        return None
    return (described.extra or {}).get(_MARK) or _marks(described.type)


def convert(table: Any, kind: type[T]) -> T:
    """Convert a written table to a Struct or dataclass; a missing field gets the meaning of its absence.

    :raises msgspec.ValidationError: where the table does not fit
    """
    return msgspec.convert(_completed(table, inspect.type_info(kind)), kind)


def decode(text: bytes, kind: type[T]) -> T:
    """Convert JSON text like ``convert``.

    :raises msgspec.DecodeError: where the text is not JSON or does not fit
    """
    return convert(msgspec.json.decode(text), kind)


def _completed(table: Any, described: inspect.Type) -> Any:
    match described:
        case inspect.Metadata():
            return _completed(table, described.type)
        case inspect.UnionType():
            return _completed(table, _member(table, described.types))
        case inspect.StructType() | inspect.DataclassType() if isinstance(table, dict):
            return _with_absences(table, described)
        case inspect.DictType() if isinstance(table, dict):
            return {key: _completed(value, described.value_type) for key, value in table.items()}
        case inspect.ListType() | inspect.VarTupleType() if isinstance(table, list):
            return [_completed(value, described.item_type) for value in table]
        case inspect.TupleType() if isinstance(table, list) and len(table) == len(described.item_types):
            return [_completed(value, item) for value, item in zip(table, described.item_types, strict=True)]
    return table


def _with_absences(table: dict[Any, Any], described: inspect.StructType | inspect.DataclassType) -> Any:
    missing = absences(described.cls)
    full = dict(table)
    for field in described.fields:
        if field.encode_name in table:
            full[field.encode_name] = _completed(table[field.encode_name], field.type)
        elif field.name in missing:
            full[field.encode_name] = msgspec.to_builtins(missing[field.name].value)
    return full


def _member(table: Any, members: Sequence[inspect.Type]) -> inspect.Type:
    """Return the member of a union that a table fits: a Struct by its tag, else the first possible member."""
    for member in members:
        inner = member
        while isinstance(inner, inspect.Metadata):
            inner = inner.type
        if isinstance(table, dict) and isinstance(inner, inspect.StructType) and inner.tag_field is not None:
            if table.get(inner.tag_field) == inner.tag:
                return inner
        elif (
            isinstance(table, dict)
            and isinstance(inner, inspect.StructType | inspect.DataclassType | inspect.DictType)
        ) or (
            isinstance(table, list)
            and isinstance(inner, inspect.ListType | inspect.VarTupleType | inspect.TupleType)
        ):
            return inner
    return inspect.AnyType()


def content(value: Any, always: float = 0) -> Any:
    """Convert a Struct to builtins, without the later fields whose value is the meaning of their absence.

    A Struct with ``omit_defaults`` leaves out those fields in any case.

    :param always: fields up to this change are never left out; with ``EVERY`` no field is
    """
    return _content(value, always, lambda table: table.items())


def canonical(value: Any, always: float = 0) -> bytes:
    """Encode ``content`` as canonical JSON, with the keys of dictionaries sorted: one text for each value."""
    return msgspec.json.encode(_content(value, always, lambda table: sorted(table.items(), key=_key)))


def _key(item: tuple[Any, Any]) -> str:
    return str(item[0])


def _content(value: Any, always: float, items: _Items) -> Any:
    if isinstance(value, msgspec.Struct):
        return _fields(value, always, items)
    if isinstance(value, dict):
        return {key: _content(inner, always, items) for key, inner in items(value)}
    if isinstance(value, list | tuple):
        return [_content(inner, always, items) for inner in value]
    return msgspec.to_builtins(value)


def _fields(value: msgspec.Struct, always: float, items: _Items) -> dict[str, Any]:
    config, came = value.__struct_config__, absences(type(value))
    table: dict[str, Any] = {} if config.tag is None else {str(config.tag_field): config.tag}
    for name, key in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        inner, absence = getattr(value, name), came.get(name)
        if absence is None:
            table[key] = _content(inner, always, items)
        elif inner != absence.value or not (config.omit_defaults or absence.since > always):
            table[key] = _content(inner, max(always, absence.since), items)
    return table
