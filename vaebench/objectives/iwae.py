"""The importance-weighted bound as an objective."""

import math
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored, Tags


class Iwae(Objective):
    """−log (1/K) Σ_k p(x, z_k)/q(z_k|x) with z_k ~ q(z|x), in nats per image; tighter for larger K.

    Its gradient is −Σ_k w̃_k ∇log w_k with self-normalised weights w̃ (sec. 3). Latents must be real-valued:
    codes are inferred with certainty, so that K samples of them are the same.
    """

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real"})}
    paper = "Burda et al. 2016, eq. 8"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        samples: Annotated[int, Meta(ge=1, description="number of samples of z per image and step (K)")] = 5,
    ) -> None:
        super().__init__()
        self.samples = samples

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weights = scored.log_weights()
        return math.log(len(weights)) - weights.logsumexp(0)
