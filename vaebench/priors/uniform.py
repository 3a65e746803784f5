"""The uniform prior over codes."""

from typing import ClassVar, Literal

import torch
from torch import Tensor

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import UniformCodes


class Uniform(Prior):
    """p(code) = 1/K at every place of every group; the rate is log K nats for each code."""

    covers: ClassVar[Literal["root", "every group"]] = "every group"
    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"codes"})}
    paper = "van den Oord et al. 2017, sec. 3.1"

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.groups = groups
        self.zero: Tensor
        self.register_buffer("zero", torch.zeros(()), persistent=False)

    def at(self, group: int, context: Context) -> UniformCodes:
        shape, codes = self.groups[group].shape, self.groups[group].codes
        assert codes is not None
        return UniformCodes(self.zero.expand(context.batch, *shape), codes)
