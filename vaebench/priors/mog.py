"""A mixture of normals."""

import math
from typing import Annotated, ClassVar, Literal

import torch
from msgspec import Meta
from torch import nn

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.priors.mixture import NormalMixture


class Mog(Prior):
    """p(z) = Σ_k w_k N(μ_k, σ_k²) at the root, each component free: the control of the mixture of posteriors.

    Starts with μ_k ~ N(0, s²) and σ_k² = 1 − s², s = start_spread, so that a draw has mean 0 and variance 1:
    as likely as under N(0, I), whose place it takes, and already spread enough for components to part.
    """

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real"})}
    paper = "Tomczak & Welling 2018, sec. 5, the mixture of Gaussians compared there"
    untrained: ClassVar[dict[str, str]] = {"logits": "one component alone has no weight to learn"}

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        components: Annotated[int, Meta(ge=1, description="normals in the mixture")] = 100,
        weights: Annotated[
            Literal["uniform", "learned"], Meta(description="1/K each, or trained from there")
        ] = "uniform",
        start_spread: Annotated[
            float, Meta(gt=0, lt=1, description="standard deviation of the means at the start; in all 1")
        ] = 0.5,
    ) -> None:
        super().__init__()
        shape = (components, *groups[0].shape)
        self.location = nn.Parameter(start_spread * torch.randn(shape))
        self.log_std = nn.Parameter(torch.full(shape, 0.5 * math.log1p(-(start_spread**2))))
        self.logits = nn.Parameter(torch.zeros(components)) if weights == "learned" else None

    def at(self, group: int, context: Context) -> Distribution | None:
        if group > 0:
            return None
        return NormalMixture(DiagonalNormal(self.location, self.log_std), context.batch, self.logits)
