"""What a law checks: a component inside the smallest model around it, or one of vaebench's own functions."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from vaebench.composing.resolve import check_fit, wire
from vaebench.composing.slots import SLOTS, TABLE, Slot
from vaebench.contracts import Component, ImageShape, Prior
from vaebench.errors import UsageError, VaebenchError
from vaebench.model import Vae
from vaebench.noise import ImageNoise
from vaebench.registry import Registry
from vaebench.testing.law import NotTriedError
from vaebench.testing.values import small

SLOT_OF = {slot.kind: slot.name for slot in TABLE}
_PLAIN = {slot.name: slot.plain for slot in TABLE}
BUILT_IN = "vaebench"
"""The package of the built-in components."""
CHANNELS, LEVELS = (1, 3, 2, 4), (2, 3, 5, 17, 32, 256)


@dataclass(frozen=True)
class Subject:
    """What a law checks, by kind and name; ``target`` is the class or function itself."""

    kind: str
    name: str
    package: str = "vaebench"

    @property
    def target(self) -> Any:
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{self.kind}={self.name}"


@dataclass(frozen=True)
class Function(Subject):
    """One of vaebench's own functions, under the laws of its kind (``kl``, ``estimator``, ``metric``)."""

    function: Any = None

    @property
    def target(self) -> Any:
        return self.function


@dataclass(frozen=True)
class PartSubject(Subject):
    """A registered component; composes the smallest model around it."""

    registry: Registry = field(default_factory=lambda: Registry([]), compare=False)

    @cached_property
    def target(self) -> Any:
        """The class, from the subject's own package even where other packages offer the same name.

        :raises VaebenchError: where the class cannot be imported
        """
        own = Registry(r for r in self.registry.entries(self.kind) if r.package == self.package)
        return own.resolve(self.kind, self.name)

    @cached_property
    def neighbours(self) -> Registry:
        """The components that a model around the subject may use: built-in ones and its own package's.

        Other packages, which may be broken, cannot change whether the subject keeps its promises.
        """
        entries = self.registry.entries()
        built_in = [r for r in entries if r.package == BUILT_IN]
        taken = {(r.entry.kind, r.entry.name) for r in built_in}
        own = [r for r in entries if r.package == self.package != BUILT_IN]
        return Registry([*built_in, *(r for r in own if (r.entry.kind, r.entry.name) not in taken)])

    @property
    def slot(self) -> str:
        return SLOT_OF[self.kind]

    @property
    def offers(self) -> frozenset[str]:
        return self.target.offers

    def fits(self, image: ImageShape) -> bool:
        """Whether the component's ``needs`` of the data allow such images."""
        needs = self.target.needs.get("data", frozenset())
        return all(not image.tags.isdisjoint(word.split("|")) for word in needs)

    @cached_property
    def kinds_of_image(self) -> tuple[tuple[int, int], ...]:
        """The pairs (channels, levels) for which a model with the component can be composed.

        :raises VaebenchError: where there is none
        """
        both = itertools.product(CHANNELS, LEVELS)
        pairs = tuple((c, n) for c, n in both if self.around(ImageShape(c, 1, 1, n)) is not None)
        if not pairs:
            raise VaebenchError(
                f"no model can be composed around {self}: no component of vaebench or of its package fits"
            )
        return pairs

    def around(self, image: ImageShape, **fixed: str) -> dict[str, str] | None:
        """Slot -> name, for the first components that fit each other and the image; None where none fit.

        :param fixed: the components that other slots must have
        """
        key = (image.channels, image.levels, *sorted(fixed.items()))
        if key not in self._around:
            self._around[key] = self._search(image, fixed)
        return self._around[key]

    @cached_property
    def _around(self) -> dict[Any, dict[str, str] | None]:
        return {}

    def _search(self, image: ImageShape, fixed: Mapping[str, str]) -> dict[str, str] | None:
        chosen = {**fixed, self.slot: self.name}
        options = [[chosen[s]] if s in chosen else self._options(s) for s in SLOTS]
        for choice in itertools.product(*options):
            names = dict(zip(SLOTS, choice, strict=True))
            try:
                check_fit({s: self._part(s, n) for s, n in names.items()}, names, image, Registry([]))
            except VaebenchError:  # they do not fit, or one cannot be imported
                continue
            return names
        return None

    def _part(self, slot: str, name: str) -> type[Component]:
        return self.target if slot == self.slot else self.neighbours.resolve(SLOTS[slot], name)

    def _options(self, slot: str) -> list[str]:
        """Names for an open slot: what the subject suggests, the simplest ones, then the others."""
        names = self.neighbours.names(SLOTS[slot])
        preferred = (self.target.suggests.get(slot, ""), *_PLAIN[slot], *names)
        return [name for name in dict.fromkeys(preferred) if name in names]

    def model(
        self, image: ImageShape, parameters: Mapping[str, Any] | None = None, seed: int = 0, **fixed: str
    ) -> Vae:
        """Build the smallest model around the component, in float64, and begin it on random images.

        :raises NotTriedError: where a constructor refuses its parameters, or no components fit
        """
        names = self.around(image, **fixed)
        if names is None:
            raise NotTriedError(f"no components fit {self} for {image}")
        values = {s: small(self._part(s, n)) for s, n in names.items()}
        values[self.slot].update(parameters or {})

        def make(slot: Slot, given: tuple[Any, ...]) -> Any:
            return self._part(slot.name, names[slot.name])(*given, **values[slot.name])

        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            try:
                model = wire(image, make)
            except UsageError as error:
                raise NotTriedError(str(error)) from error
            model = model.double()
            shown = random_images(image, 16, seed)
            try:
                for part in model.parts:
                    part.begin(shown, labels_of(model.prior, len(shown)))
            except UsageError as error:
                raise NotTriedError(str(error)) from error
        return model

    def part(self, model: Vae) -> Component:
        """The subject's module within a model."""
        part: Component = getattr(model, self.kind)
        return part


def random_images(image: ImageShape, count: int, seed: int = 0) -> Tensor:
    """Draw uniform integers 0 .. levels-1, (count, C, H, W), uint8."""
    generator = torch.Generator().manual_seed(seed)
    shape = (count, image.channels, image.height, image.width)
    return torch.randint(0, image.levels, shape, generator=generator).to(torch.uint8)


def labels_of(prior: Prior, count: int) -> Tensor:
    """Give classes (count,) that cycle through those of the prior; all 0 for a prior without classes."""
    return torch.arange(count) % max(1, prior.classes)


def every_image(image: ImageShape) -> Tensor:
    """List all levels^dims images, (N, C, H, W) int64."""
    values = itertools.product(range(image.levels), repeat=image.dims)
    return torch.tensor(list(values)).reshape(-1, image.channels, image.height, image.width)


def rows(count: int, samples: int = 1, first: int = 0, seed: int = 0) -> ImageNoise:
    """Make the noise of ``count`` images, numbered from ``first``, with ``samples`` rows each."""
    numbers = torch.arange(first, first + count).repeat_interleave(samples)
    return ImageNoise(seed, numbers, torch.arange(samples).repeat(count))


def shaken(module: torch.nn.Module, seed: int, size: float = 0.1) -> None:
    """Add normal noise to every floating parameter, so that laws are checked beyond initial weights."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in module.parameters():
            if p.is_floating_point():
                p.add_(size * torch.randn(p.shape, generator=generator, dtype=torch.float64).to(p))
