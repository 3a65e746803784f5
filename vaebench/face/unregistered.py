"""Classes and data sets that no plugin registers, as entries of a registry: checked and named alike.

The name begins with ``unregistered-`` and ends with digits of a hash, of the class's code or of the images:
whatever is recorded under it is this class and these images, and a changed class is another composition.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from vaebench import contracts
from vaebench.composing.parameters import parameters_of
from vaebench.composing.slots import SLOTS
from vaebench.contracts import Component, Dataset
from vaebench.errors import UsageError
from vaebench.face.code import code_sha256
from vaebench.face.images import checked_dataset
from vaebench.hookspecs import UNREGISTERED, Entry
from vaebench.registry import Registered, Registry
from vaebench.text import one_line

_DIGITS = 10
"""Digits of the hash in a name."""

BASES: Mapping[str, type[Component]] = {
    kind: getattr(contracts, kind.capitalize()) for kind in SLOTS.values()
}
"""Each kind of component, and the contract that its classes inherit."""


def component(part: type, registry: Registry, kind: str | None = None) -> Registered:
    """The entry of a class: its plugin's where one registers it, else one of its own.

    :param kind: what it is used as; None: what its contract says
    :raises UsageError: where it is not a component of this kind, or does not keep to the contract
    """
    name = one_line(getattr(part, "__qualname__", repr(part)))
    kinds = [each for each, base in BASES.items() if isinstance(part, type) and issubclass(part, base)]
    wanted = BASES[kind].__name__ if kind else "a contract of vaebench.contracts"
    if not kinds or kind not in (None, kinds[0]):
        what = f"is a class of kind {kinds[0]}" if kinds else "does not inherit it"
        raise UsageError(
            f"{name} cannot be used as {kind or 'a component'}: {wanted} is expected, and it {what}"
        )
    target = f"{part.__module__}:{part.__qualname__}"
    for each in registry.entries(kinds[0]):
        if each.entry.target == target and registry.resolve(kinds[0], each.entry.name) is part:
            return each
    _check(part, name)
    code = code_sha256(part)
    entry = Entry(kinds[0], _name(part.__name__, code), target, f"the class {name}")
    return Registered(entry, UNREGISTERED, code[:_DIGITS], part, code)


def data_set(dataset: Dataset) -> Registered:
    """The entry of images in memory, which get the checksum that they have.

    :raises UsageError: where they are not the integer images that the data set says
    """
    checked = checked_dataset(dataset)

    def given(root: object) -> Dataset:
        return checked

    entry = Entry("dataset", _name(dataset.name, checked.checksum), "vaebench:Dataset", "images in memory")
    return Registered(entry, UNREGISTERED, checked.checksum[:_DIGITS], given)


def with_classes(registry: Registry, classes: Iterable[type]) -> Registry:
    """A registry that knows these classes too, each by the kind of its contract."""
    entries = [component(part, registry) for part in classes]
    return registry.with_unregistered(e for e in entries if e.package == UNREGISTERED)


def changed(asked: Mapping[str, Any], held: Mapping[str, Any]) -> str:
    """The first slot whose class has other code than the one that is held, in words; empty where none has.

    :param asked: slot -> choice of a composition, as are those of ``held``
    """
    for slot in asked:
        mine, theirs = (str(choices[slot].name) if slot in choices else "" for choices in (asked, held))
        if mine != theirs and mine.startswith(f"{UNREGISTERED}-") and _stem(mine) == _stem(theirs):
            return f"{slot}: the code of its class is not what the run was trained with ({theirs})"
    return ""


def _check(part: type[Component], name: str) -> None:
    """Refuse a class that could not be registered."""
    # The contracts are torch modules and no abstract base classes, so Python itself refuses nothing.
    if missing := [n for n in dir(part) if getattr(getattr(part, n, None), "__isabstractmethod__", False)]:
        raise UsageError(f"{name} does not define {', '.join(missing)}, which its contract asks for")
    parameters_of(part)
    tags = {"offers": [part.offers], "needs": list(part.needs.values())}
    for attribute, sets in tags.items():
        if any(isinstance(words, str) or not all(isinstance(w, str) for w in words) for words in sets):
            raise UsageError(f"{name}.{attribute}: sets of words are expected, as in frozenset({{'real'}})")
    if wrong := [slot for slot in part.needs if slot not in (*SLOTS, "data")]:
        raise UsageError(
            f"{name}.needs: there is no slot {one_line(wrong[0])}; there are {', '.join(SLOTS)}, data"
        )


def _name(word: str, sha256: str) -> str:
    """``unregistered-my-encoder-0123456789`` for MyEncoder."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", word)
    plain = "-".join(re.findall("[a-z0-9]+", spaced.lower())) or "nameless"
    return f"{UNREGISTERED}-{plain}-{sha256[:_DIGITS]}"


def _stem(name: str) -> str:
    return name.rpartition("-")[0]
