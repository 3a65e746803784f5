"""The standard normal prior."""

from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import nn

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import DiagonalNormal, Distribution, StandardNormal


class Normal(Prior):
    """p(z) = N(0, I) at the root; with ``learned``, N(μ, σ²) with trained mean and standard deviation."""

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real"})}
    paper = "Kingma & Welling 2014, sec. 3"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        learned: Annotated[
            bool, Meta(description="whether to train a mean and a log std for each dimension of the root")
        ] = False,
    ) -> None:
        super().__init__()
        self.learned = learned
        zeros = torch.zeros(1, *groups[0].shape)
        if learned:
            self.location = nn.Parameter(zeros)
            self.log_std = nn.Parameter(zeros.clone())
        else:
            self.register_buffer("zeros", zeros, persistent=False)
        self.zeros: torch.Tensor

    def at(self, group: int, context: Context) -> Distribution | None:
        if group > 0:
            return None
        if self.learned:
            shape = (context.batch, *self.location.shape[1:])
            return DiagonalNormal(self.location.expand(shape), self.log_std.expand(shape))
        return StandardNormal(self.zeros.expand(context.batch, *self.zeros.shape[1:]))
