"""A uniform prior over codes, for cores that have none yet."""

import math
from typing import ClassVar

import torch
from torch import Tensor

from vaebench import registry
from vaebench.contracts import Context, Group, ImageShape, Prior
from vaebench.distributions import Distribution
from vaebench.hookspecs import Entry
from vaebench.noise import Noise
from vaebench.registry import Registered, Registry


class UniformCodes(Distribution):
    """Each code of a grid equally likely."""

    def __init__(self, group: Group, batch: int) -> None:
        assert group.codes is not None
        self.codes = group.codes
        self.shape = (batch, *group.shape)

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        u = noise.uniform(torch.empty(self.shape, dtype=torch.float64))
        return (u * self.codes).long().clamp(max=self.codes - 1)

    def log_prob(self, z: Tensor) -> Tensor:
        if z.shape != self.shape:
            raise ValueError(f"codes of shape {tuple(z.shape)} where {self.shape} is expected")
        return torch.full((len(z),), -math.prod(self.shape[1:]) * math.log(self.codes), dtype=torch.float64)


class Uniform(Prior):
    """Every grid of codes equally likely."""

    covers = "every group"
    needs: ClassVar = {"latent": frozenset({"codes"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.groups = groups

    def at(self, group: int, context: Context) -> Distribution:
        return UniformCodes(self.groups[group], context.batch)


def known() -> Registry:
    """What is installed, with this prior where there is no other of its name."""
    there = registry.load()
    if "uniform" in there.names("prior"):
        return there
    entry = Entry("prior", "uniform", f"{__name__}:Uniform", "every code equally likely")
    return Registry([*there.entries(), Registered(entry, "tests", "0")])
