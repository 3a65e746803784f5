"""Defaults for the slots that a composition leaves open: components that fit the named ones and the data."""

from collections.abc import Iterator, Mapping

from vaebench.composing.slots import SLOTS
from vaebench.contracts import Component, ImageShape, Tags
from vaebench.errors import UsageError, VaebenchError
from vaebench.registry import OWN, Registered, Registry

_USUAL = {"enc": "resnet", "latent": "topdown", "prior": "normal", "obj": "elbo"}


def lacking(needs: Tags, offers: Tags) -> list[str]:
    """Return the needs (words, or ``a|b`` for either) that are not offered."""
    return sorted(need for need in needs if offers.isdisjoint(need.split("|")))


def filled(named: Mapping[str, str], image: ImageShape, registry: Registry) -> dict[str, str]:
    """Return a component name for every slot; the open slots get the first components that fit together.

    The candidates for a slot are tried in this order: what the named components suggest, the usual default,
    the other built-in components, and those of other packages. If no combination fits, each open slot gets
    its first candidate, and the check of the composition then says why they do not fit.

    Installing another package changes no default that the built-in components give. If the package offers a
    component with the name of a default, that name is ambiguous and is refused.

    :raises UsageError: for a name that is not registered, or that several packages offer
    :raises VaebenchError: where a suggested component cannot be loaded
    """
    parts = {slot: registry.resolve(SLOTS[slot], name) for slot, name in named.items()}
    order = [slot for slot in SLOTS if slot not in named]
    fitting = _complete(dict(named), parts, order, image, registry)
    whole = dict(named) if fitting is None else fitting
    for slot in order:
        if slot not in whole:
            whole[slot] = next(_candidates(slot, whole, parts, image, registry)).entry.name
    return {slot: whole[slot] for slot in SLOTS}


def _complete(
    names: dict[str, str],
    parts: dict[str, type[Component]],
    order: list[str],
    image: ImageShape,
    registry: Registry,
) -> dict[str, str] | None:
    if not order:
        return names
    slot, *later = order
    first = _first(slot, names, parts, image)
    for candidate in _candidates(slot, names, parts, image, registry):
        name = candidate.entry.name
        try:
            part = registry.target(candidate)
        except VaebenchError:  # a broken plugin that was not requested
            if name in first:
                raise
            continue
        if _fits(slot, part, parts, image):
            more = _complete({**names, slot: name}, {**parts, slot: part}, later, image, registry)
            if more is not None:
                _certain(slot, name, registry)
                return more
    return None


def _certain(slot: str, name: str, registry: Registry) -> None:
    """Refuse a default that no package, or more than one, offers.

    :raises UsageError: in that case
    """
    try:
        registry.get(SLOTS[slot], name)
    except UsageError as error:
        raise UsageError(f"{slot} is left open, and its default is ambiguous: {error}") from None


def _candidates(
    slot: str,
    names: Mapping[str, str],
    parts: Mapping[str, type[Component]],
    image: ImageShape,
    registry: Registry,
) -> Iterator[Registered]:
    every = registry.entries(SLOTS[slot])
    builtin = [candidate for candidate in every if candidate.package == OWN]
    yielded: list[Registered] = []
    for name in _first(slot, names, parts, image):
        offers = [candidate for candidate in builtin if candidate.entry.name == name]
        offers = offers or [candidate for candidate in every if candidate.entry.name == name]
        if not offers and name in _suggested(slot, parts):
            _certain(slot, name, registry)
        yielded += offers
        yield from offers
    yield from (candidate for candidate in (*builtin, *every) if candidate not in yielded)


def _first(
    slot: str, names: Mapping[str, str], parts: Mapping[str, type[Component]], image: ImageShape
) -> list[str]:
    return list(dict.fromkeys([*_suggested(slot, parts), _usual(slot, names, image)]))


def _suggested(slot: str, parts: Mapping[str, type[Component]]) -> list[str]:
    """Return the names that the named components suggest for a slot."""
    return [part.suggests[slot] for part in parts.values() if slot in part.suggests]


def _fits(slot: str, part: type[Component], parts: Mapping[str, type[Component]], image: ImageShape) -> bool:
    offers = {"data": image.tags, **{s: p.offers for s, p in parts.items()}}
    mine = any(lacking(needs, offers[s]) for s, needs in part.needs.items() if s in offers)
    theirs = any(lacking(p.needs.get(slot, frozenset()), part.offers) for p in parts.values())
    return not (mine or theirs)


def _usual(slot: str, names: Mapping[str, str], image: ImageShape) -> str:
    if slot == "dec":
        return names.get("enc", "resnet")
    if slot == "lik":
        if "binary" in image.tags:
            return "bernoulli"
        return "logistic" if "many-channels" in image.tags else "logistic-mixture"
    return _USUAL[slot]
