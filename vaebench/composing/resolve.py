"""Spec -> checked composition -> model; every mismatch is reported before a tensor is made."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from vaebench.composing.defaults import filled, lacking
from vaebench.composing.parameters import Parameter, convert, parameters_of, text
from vaebench.composing.slots import SLOTS, TABLE, Slot
from vaebench.composing.spec import Choice, Spec
from vaebench.contracts import Component, ImageShape, Prior
from vaebench.errors import UsageError, VaebenchError
from vaebench.model import Vae
from vaebench.registry import Registered, Registry
from vaebench.settings import Training


@dataclass(frozen=True)
class Chosen:
    """The component in a slot: its class, its registry entry, and all its parameters, typed."""

    registered: Registered
    part: type[Component]
    parameters: Mapping[str, Any]

    def made(self, slot: Slot, given: tuple[Any, ...]) -> Any:
        """Build the component for a slot.

        :param given: positional arguments of the constructor
        :raises UsageError: where the constructor refuses its arguments
        """
        try:
            return self.part(*given, **self.parameters)
        except UsageError as error:
            raise UsageError(f"{slot.name}={self.registered.entry.name}: {error}") from None


@dataclass(frozen=True)
class Composition:
    """Components, one per slot, that fit each other and the data; ``spec`` is the canonical text."""

    spec: Spec
    chosen: Mapping[str, Chosen]
    image: ImageShape
    stand_in: Chosen | None = None
    """The prior that is used while the rest trains, where the composition's prior is fitted afterwards."""

    def build(self, training: Training | None = None) -> Vae:
        """Build the model; its initial weights are drawn from torch's global generator.

        :raises UsageError: where a constructor refuses its arguments
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
        """Build the prior that is used while the rest trains; None where the prior trains with the rest."""
        if self.stand_in is None:
            return None
        (slot,) = (slot for slot in TABLE if slot.name == "prior")
        prior: Prior = self.stand_in.made(slot, slot.given({"latent": model.latent}, self.image))
        for module in prior.modules():
            if isinstance(module, Component):
                module.recompute = model.prior.recompute
        return prior


def wire(
    image: ImageShape,
    make: Callable[[Slot, tuple[Any, ...]], Any],
    *,
    shift: float | None = None,
    scale: float | None = None,
) -> Vae:
    """Build a model from the components that ``make`` builds slot by slot, each from those built before."""
    parts: dict[str, Any] = {}
    for slot in TABLE:
        parts[slot.name] = make(slot, slot.given(parts, image))
    return Vae(image, **{slot.kind: parts[slot.name] for slot in TABLE}, shift=shift, scale=scale)


def resolve(spec: Spec, registry: Registry, image: ImageShape) -> Composition:
    """Fill in the open slots of a spec, convert and check all parameters, and check every pair.

    :raises UsageError: for an unknown parameter, a bad value, or components that do not fit each other or the
        data
    """
    named = filled({s: c.name for s, c in spec.choices.items() if c.name}, image, registry)
    parts: dict[str, type[Component]] = {s: registry.resolve(SLOTS[s], n) for s, n in named.items()}
    choices: dict[str, Choice] = {}
    chosen: dict[str, Chosen] = {}
    for slot, kind in SLOTS.items():
        parameters = parameters_of(parts[slot])
        given = spec.choices[slot].parameters if slot in spec.choices else {}
        values = convert(slot, parameters, given, named[slot])
        changed = {name: text(v) for name, v in values.items() if v != parameters[name].default}
        choices[slot] = Choice(named[slot], changed)
        chosen[slot] = Chosen(registry.get(kind, named[slot]), parts[slot], _filled(parameters, values))
    check_fit(parts, named, image, registry)
    return Composition(Spec(choices), chosen, image, _stand_in(parts, named, image, registry))


def _stand_in(
    parts: Mapping[str, type[Component]], named: Mapping[str, str], image: ImageShape, registry: Registry
) -> Chosen | None:
    prior = parts["prior"]
    if not (issubclass(prior, Prior) and prior.fitted == "after"):
        return None
    part = registry.resolve("prior", prior.stand_in)
    check_fit({**parts, "prior": part}, {**named, "prior": prior.stand_in}, image, registry)
    return Chosen(registry.get("prior", prior.stand_in), part, _filled(parameters_of(part), {}))


def _filled(parameters: Mapping[str, Parameter], values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: values.get(name, parameter.default) for name, parameter in parameters.items()}


def check_fit(
    parts: Mapping[str, type[Component]], names: Mapping[str, str], image: ImageShape, registry: Registry
) -> None:
    """Check that the needs of every component are met by the components and the data that it names.

    :raises UsageError: for the first need that is not met
    """
    for slot, part in parts.items():
        for other, needs in part.needs.items():
            offers = image.tags if other == "data" else parts[other].offers
            missing = lacking(needs, offers)
            if not missing:
                continue
            words = " and ".join(word.replace("|", " or ") for word in missing)
            if other == "data":
                tags = ", ".join(sorted(image.tags))
                raise UsageError(f"{slot}={names[slot]} needs {words} data; these are {tags}")
            candidates = _loadable(registry, SLOTS[other])
            fitting = [name for name, part in candidates.items() if not lacking(needs, part.offers)]
            raise UsageError(
                f"{slot}={names[slot]} does not fit {other}={names[other]}: it needs {words}; "
                f"choices for {other} that offer that: {', '.join(fitting) or 'none is installed'}"
            )


def companions(registry: Registry, part: type[Component]) -> dict[str, list[str]]:
    """Return the components of other slots that fit this one: slot -> names.

    Slots in which neither side has needs are left out, because everything fits there.
    """
    own = next((s for s, kind in SLOTS.items() if part in _loadable(registry, kind).values()), None)
    fitting: dict[str, list[str]] = {}
    for slot, kind in SLOTS.items():
        others = _loadable(registry, kind)
        has_needs = slot in part.needs or any(own in other.needs for other in others.values())
        if slot != own and has_needs:
            fitting[slot] = [
                name
                for name, other in others.items()
                if not lacking(part.needs.get(slot, frozenset()), other.offers)
                and not lacking(other.needs.get(own or "", frozenset()), part.offers)
            ]
    if "data" in part.needs:
        fitting["data"] = [" and ".join(sorted(part.needs["data"])).replace("|", " or ")]
    return fitting


def _loadable(registry: Registry, kind: str) -> dict[str, type[Component]]:
    """Return the components of a kind by name, without those that cannot be loaded."""
    parts: dict[str, type[Component]] = {}
    for name in registry.names(kind):
        try:
            parts[name] = registry.resolve(kind, name)
        except VaebenchError:
            continue
    return parts
