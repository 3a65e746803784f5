"""The text, tables and classes of a composition, as they are given to Python -> a spec and its registry."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from vaebench.composing.slots import SLOTS
from vaebench.composing.spec import Choice, Spec, from_table, parse
from vaebench.errors import UsageError
from vaebench.face.arguments import plain
from vaebench.face.unregistered import component
from vaebench.hookspecs import UNREGISTERED
from vaebench.registry import Registered, Registry
from vaebench.text import one_line

Slot: TypeAlias = str | type | Mapping[str, Any]
"""What a slot takes: a name with parameters behind it, a class, or a table ``{"name": ..., "width": 48}``."""


def read(
    whole: str | Mapping[str, Slot] | None, slots: Mapping[str, Slot | None], registry: Registry
) -> tuple[Spec, Registry]:
    """The spec of a composition, and a registry in which its classes are.

    :param whole: a text or a table of several slots
    :param slots: kind -> what is given for it alone
    :raises UsageError: where a slot is given twice or cannot be read
    """
    given = {slot: slots[kind] for slot, kind in SLOTS.items() if slots.get(kind) is not None}
    choices: dict[str, Choice] = {}
    added: list[Registered] = []
    if isinstance(whole, str):
        choices |= parse(whole).choices
    elif not isinstance(whole, Mapping | None):
        what = "a model of vb.compose, or a composition as text or table, is expected"
        raise UsageError(f"{what}, not {type(whole).__name__}")
    elif whole is not None:
        if wrong := [key for key in whole if not isinstance(key, str)]:
            raise UsageError(
                f"{one_line(wrong[0])}: the names of slots are expected as the keys of a composition"
            )
        choices |= from_table({s: _named(s, v, registry, added) for s, v in whole.items()}).choices
    for slot, value in given.items():
        if slot in choices:
            raise UsageError(f"{slot} is given twice: {_text(slot, choices[slot])} and {one_line(value)}")
        choices |= _one(slot, _named(slot, value, registry, added))
    if not choices:
        raise UsageError('nothing is composed: write vb.compose("enc=mlp,latent=gaussian") or encoder="mlp"')
    new = {(each.entry.kind, each.entry.name): each for each in added if each.package == UNREGISTERED}
    return Spec(choices), registry.with_unregistered(new.values())


def _one(slot: str, value: str | Mapping[str, Any]) -> Mapping[str, Choice]:
    if not isinstance(value, str):
        return from_table({slot: value}).choices
    choices = parse(f"{slot}={value}").choices
    if other := [name for name in choices if name != slot]:
        raise UsageError(f"{SLOTS[slot]}={one_line(value)}: {other[0]} is another slot; give it by itself")
    return choices


def _named(slot: str, value: object, registry: Registry, added: list[Registered]) -> str | Mapping[str, Any]:
    """A slot's value with the name of its class in place of the class."""
    kind, value = SLOTS.get(slot, slot), plain(value)
    if isinstance(value, type) and kind in SLOTS.values():
        added.append(component(value, registry, kind))
        return added[-1].entry.name
    if isinstance(value, Mapping):
        return {**value, "name": _named(slot, value["name"], registry, added)} if "name" in value else value
    if not isinstance(value, str):
        raise UsageError(
            f"{kind}={one_line(repr(value))}: a name, a class, or a table of name and parameters is expected"
        )
    return value


def _text(slot: str, choice: Choice) -> str:
    return str(Spec({slot: choice}))
