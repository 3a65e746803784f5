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
    """p(z) = Σ_k w_k N(μ_k, σ_k²) at the root, with learned components; the baseline for ``prior=vamp``.

    It starts with μ_k ~ N(0, s²) and σ_k² = 1 − s², where s = start_spread. Samples then have mean 0 and
    variance 1, as those of N(0, I), and the components differ enough to separate in training.
    """

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real"})}
    paper = "Tomczak & Welling 2018, sec. 5, the mixture of Gaussians compared there"
    untrained: ClassVar[dict[str, str]] = {"logits": "the weight of a single component is constant"}

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        components: Annotated[int, Meta(ge=1, description="number of normals in the mixture (K)")] = 100,
        weights: Annotated[
            Literal["uniform", "learned"],
            Meta(description="mixture weights: 1/K each, or trained from that start"),
        ] = "uniform",
        start_spread: Annotated[
            float,
            Meta(gt=0, lt=1, description="initial standard deviation of the means; the mixture's own is 1"),
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
