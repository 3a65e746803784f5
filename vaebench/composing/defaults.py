"""What a slot that is left open gets: a part that fits the named ones and the data."""

from collections.abc import Iterator, Mapping

from vaebench.composing.slots import SLOTS
from vaebench.contracts import ImageShape, Part, Tags
from vaebench.errors import UsageError, VaebenchError
from vaebench.registry import OWN, Registered, Registry

_USUAL = {"enc": "resnet", "latent": "topdown", "prior": "normal", "obj": "elbo"}


def lacking(needs: Tags, offers: Tags) -> list[str]:
    """The needs, words or ``a|b``, that are not offered."""
    return sorted(need for need in needs if offers.isdisjoint(need.split("|")))


def filled(named: Mapping[str, str], image: ImageShape, registry: Registry) -> dict[str, str]:
    """A name for every slot: of what the named parts suggest, the usual part, the other built-in ones and
    those of other packages, the first that fit together; where nothing does, the first of each, whose refusal
    says why.

    A package that is installed beside changes no default that the built-in parts give: where it offers a part
    of the same name, the name is refused as one that was written.

    Raises UsageError for a name that is not registered, or that is offered twice; VaebenchError where a part
    that is suggested cannot be loaded.
    """
    parts = {slot: registry.resolve(SLOTS[slot], name) for slot, name in named.items()}
    order = [slot for slot in SLOTS if slot not in named]
    found = _complete(dict(named), parts, order, image, registry)
    whole = dict(named) if found is None else found
    for slot in order:
        if slot not in whole:
            whole[slot] = next(_candidates(slot, whole, parts, image, registry)).entry.name
    return {slot: whole[slot] for slot in SLOTS}


def _complete(
    names: dict[str, str],
    parts: dict[str, type[Part]],
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
        except VaebenchError:  # a broken plugin's, which nobody asked for
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
    """UsageError where a default is not on offer, or is by several packages."""
    try:
        registry.get(SLOTS[slot], name)
    except UsageError as error:
        raise UsageError(f"{slot} is left open, and its default is not certain: {error}") from None


def _candidates(
    slot: str,
    names: Mapping[str, str],
    parts: Mapping[str, type[Part]],
    image: ImageShape,
    registry: Registry,
) -> Iterator[Registered]:
    there = registry.entries(SLOTS[slot])
    own = [each for each in there if each.package == OWN]
    yielded: list[Registered] = []
    for name in _first(slot, names, parts, image):
        offers = [each for each in own if each.entry.name == name]
        offers = offers or [each for each in there if each.entry.name == name]
        if not offers and name in _suggested(slot, parts):
            _certain(slot, name, registry)
        yielded += offers
        yield from offers
    yield from (each for each in (*own, *there) if each not in yielded)


def _first(
    slot: str, names: Mapping[str, str], parts: Mapping[str, type[Part]], image: ImageShape
) -> list[str]:
    return list(dict.fromkeys([*_suggested(slot, parts), _usual(slot, names, image)]))


def _suggested(slot: str, parts: Mapping[str, type[Part]]) -> list[str]:
    """What the named parts suggest."""
    return [part.suggests[slot] for part in parts.values() if slot in part.suggests]


def _fits(slot: str, part: type[Part], parts: Mapping[str, type[Part]], image: ImageShape) -> bool:
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
