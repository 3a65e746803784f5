"""The β-VAE with a controlled capacity."""

from typing import Annotated

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored
from vaebench.objectives.schedule import risen


class Capacity(Objective):
    """distortion + γ·|KL − C|, C rising linearly from 0 to ``c_max`` nats per image; not a bound.

    KL is the rate of all groups in the batch's mean: C is the capacity of the channel, which the mean rate
    bounds, while an image may take more of it than another. Per image the loss is distortion + γ·s·(KL − C),
    s the sign of that mean minus C; its mean is distortion + γ·|mean KL − C|. The rate stays at C only where
    γ exceeds the nats of distortion that one more nat of rate would save; a larger γ drowns the distortion's
    gradient, so the default is between the 10 and the 1000 in use.
    """

    paper = "Burgess et al. 2018, sec. 5"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        gamma: Annotated[float, Meta(ge=0, description="weight of the distance to C; paper: 1000")] = 100.0,
        c_max: Annotated[float, Meta(ge=0, description="the last C, nats per image")] = 25.0,
        rise: Annotated[
            float, Meta(ge=0, le=1, description="share of training in which C rises; 0: at once")
        ] = 0.5,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.c_max = c_max
        self.rise = rise

    def capacity(self, progress: Progress) -> float:
        """C in nats per image at this step."""
        return self.c_max * risen(progress, self.rise)

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        over = scored.kl().mean(1).sum(0) - self.capacity(progress)
        return scored.distortion.mean(0) + self.gamma * over.mean().detach().sign() * over
