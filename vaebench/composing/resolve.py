"""Spec -> a checked composition -> a wired model; every mismatch is said before a tensor is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaebench.composing.defaults import filled, lacking
from vaebench.composing.parameters import Parameter, convert, parameters_of, text
from vaebench.composing.slots import SLOTS, TABLE, Slot
from vaebench.composing.spec import Choice, Spec
from vaebench.contracts import ImageShape, Part, Prior
from vaebench.errors import UsageError, VaebenchError
from vaebench.model import Vae
from vaebench.registry import Registered, Registry
from vaebench.settings import Training


@dataclass(frozen=True)
class Chosen:
    """The part in a slot: what it is, where it comes from, and all its parameters, typed."""

    registered: Registered
    part: type[Part]
    parameters: Mapping[str, Any]

    def made(self, slot: Slot, given: tuple[Any, ...]) -> Any:
        """The part of a slot.

        :param given: positional arguments of the constructor
        :raises UsageError: where its constructor refuses what it is given
        """
        try:
            return self.part(*given, **self.parameters)
        except UsageError as error:
            raise UsageError(f"{slot.name}={self.registered.entry.name}: {error}") from None


@dataclass(frozen=True)
class Composition:
    """Six parts that fit each other and the data; ``spec`` is its canonical text."""

    spec: Spec
    chosen: Mapping[str, Chosen]
    image: ImageShape
    stand_in: Chosen | None = None
    """What rules the latents while the rest trains, where the prior is fitted after it."""

    def build(self, training: Training | None = None) -> Vae:
        """The wired model, its initial weights drawn from torch's generator.

        :raises UsageError: where a constructor refuses what it is given
        """
        training = training or Training()
        model = wire(
            self.image,
            lambda slot, given: self.chosen[slot.name].made(slot, given),
            shift=training.shift,
            scale=training.scale,
        )
        model.spec = str(self.spec)
        for part in model.parts:
            part.recompute = training.recompute
        return model

    def build_stand_in(self, model: Vae) -> Prior | None:
        """What takes the prior's place while the rest trains; None where the prior learns with the rest."""
        if self.stand_in is None:
            return None
        (slot,) = (slot for slot in TABLE if slot.name == "prior")
        prior: Prior = self.stand_in.made(slot, slot.given({"latent": model.latent}, self.image))
        for module in prior.modules():
            if isinstance(module, Part):
                module.recompute = model.prior.recompute
        return prior


def wire(
    image: ImageShape,
    make: Callable[[Slot, tuple[Any, ...]], Any],
    *,
    shift: float | None = None,
    scale: float | None = None,
) -> Vae:
    """The model whose parts ``make`` builds, slot by slot, each given what was built before it."""
    parts: dict[str, Any] = {}
    for slot in TABLE:
        parts[slot.name] = make(slot, slot.given(parts, image))
    return Vae(image, **{slot.kind: parts[slot.name] for slot in TABLE}, shift=shift, scale=scale)


def resolve(spec: Spec, registry: Registry, image: ImageShape) -> Composition:
    """Fill in what the spec leaves open, convert and check all parameters, and check every pair.

    Raises UsageError: an unknown parameter, a bad value, or parts that do not fit each other or the data.
    """
    named = filled({s: c.name for s, c in spec.choices.items() if c.name}, image, registry)
    parts: dict[str, type[Part]] = {s: registry.resolve(SLOTS[s], n) for s, n in named.items()}
    choices: dict[str, Choice] = {}
    chosen: dict[str, Chosen] = {}
    for slot, kind in SLOTS.items():
        known = parameters_of(parts[slot])
        given = spec.choices[slot].parameters if slot in spec.choices else {}
        values = convert(slot, known, given, named[slot])
        changed = {name: text(v) for name, v in values.items() if v != known[name].default}
        choices[slot] = Choice(named[slot], changed)
        chosen[slot] = Chosen(registry.get(kind, named[slot]), parts[slot], _filled(known, values))
    check_fit(parts, named, image, registry)
    return Composition(Spec(choices), chosen, image, _stand_in(parts, named, image, registry))


def _stand_in(
    parts: Mapping[str, type[Part]], named: Mapping[str, str], image: ImageShape, registry: Registry
) -> Chosen | None:
    prior = parts["prior"]
    if not (issubclass(prior, Prior) and prior.fitted == "after"):
        return None
    part = registry.resolve("prior", prior.stand_in)
    check_fit({**parts, "prior": part}, {**named, "prior": prior.stand_in}, image, registry)
    return Chosen(registry.get("prior", prior.stand_in), part, _filled(parameters_of(part), {}))


def _filled(known: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.get(name, parameter.default) for name, parameter in known.items()}


def check_fit(
    parts: Mapping[str, type[Part]], names: Mapping[str, str], image: ImageShape, registry: Registry
) -> None:
    """Every part's needs are met by what sits in the slot it names, or by the data; else UsageError."""
    for slot, part in parts.items():
        for other, needs in part.needs.items():
            offers = image.tags if other == "data" else parts[other].offers
            missing = lacking(needs, offers)
            if not missing:
                continue
            words = " and ".join(word.replace("|", " or ") for word in missing)
            if other == "data":
                has = ", ".join(sorted(image.tags))
                raise UsageError(f"{slot}={names[slot]} needs {words} data; these are {has}")
            there = _loadable(registry, SLOTS[other])
            fitting = [name for name, offer in there.items() if not lacking(needs, offer.offers)]
            raise UsageError(
                f"{slot}={names[slot]} does not fit {other}={names[other]}: it needs {words} there; "
                f"what offers that: {', '.join(fitting) or 'nothing installed'}"
            )


def companions(registry: Registry, part: type[Part]) -> dict[str, list[str]]:
    """Slot -> the names there that this part can stand beside, where either side is choosy."""
    own = next((s for s, kind in SLOTS.items() if part in _loadable(registry, kind).values()), None)
    found: dict[str, list[str]] = {}
    for slot, kind in SLOTS.items():
        others = _loadable(registry, kind)
        choosy = slot in part.needs or any(own in other.needs for other in others.values())
        if slot != own and choosy:
            found[slot] = [
                name
                for name, other in others.items()
                if not lacking(part.needs.get(slot, frozenset()), other.offers)
                and not lacking(other.needs.get(own or "", frozenset()), part.offers)
            ]
    if "data" in part.needs:
        found["data"] = [" and ".join(sorted(part.needs["data"])).replace("|", " or ")]
    return found


def _loadable(registry: Registry, kind: str) -> dict[str, type[Part]]:
    """The parts of a kind by name; those that cannot be loaded are left out."""
    parts: dict[str, type[Part]] = {}
    for name in registry.names(kind):
        try:
            parts[name] = registry.resolve(kind, name)
        except VaebenchError:
            continue
    return parts
