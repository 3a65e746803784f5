"""What a slot that is left open gets: a part that fits the named ones and the data."""

from collections.abc import Iterator, Mapping

from vaebench.composing.slots import SLOTS
from vaebench.contracts import ImageShape, Part, Tags
from vaebench.errors import VaebenchError
from vaebench.registry import Registry

_USUAL = {"enc": "resnet", "latent": "topdown", "prior": "normal", "obj": "elbo"}


def lacking(needs: Tags, offers: Tags) -> list[str]:
    """The needs, words or ``a|b``, that are not offered."""
    return sorted(need for need in needs if offers.isdisjoint(need.split("|")))


def filled(named: Mapping[str, str], image: ImageShape, registry: Registry) -> dict[str, str]:
    """A name for every slot: of what the named parts suggest, the usual part and all others, the first that
    fit together; where nothing does, the first of each, whose refusal says why.

    Raises UsageError for a name that is not registered.
    """
    parts = {slot: registry.resolve(SLOTS[slot], name) for slot, name in named.items()}
    order = [slot for slot in SLOTS if slot not in named]
    found = _complete(dict(named), parts, order, image, registry)
    whole = dict(named) if found is None else found
    for slot in order:
        if slot not in whole:
            whole[slot] = next(_candidates(slot, whole, parts, image, registry))
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
    for name in _candidates(slot, names, parts, image, registry):
        try:
            part = registry.resolve(SLOTS[slot], name)
        except VaebenchError:  # a broken plugin's, which nobody asked for
            continue
        if _fits(slot, part, parts, image):
            more = _complete({**names, slot: name}, {**parts, slot: part}, later, image, registry)
            if more is not None:
                return more
    return None


def _candidates(
    slot: str,
    names: Mapping[str, str],
    parts: Mapping[str, type[Part]],
    image: ImageShape,
    registry: Registry,
) -> Iterator[str]:
    known = registry.names(SLOTS[slot])
    suggested = [part.suggests[slot] for part in parts.values() if slot in part.suggests]
    wanted = [*suggested, _usual(slot, names, image), *known]
    yield from dict.fromkeys(name for name in wanted if name in known)


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
