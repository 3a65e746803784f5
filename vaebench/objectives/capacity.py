"""The β-VAE with a controlled capacity."""

from typing import Annotated

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored
from vaebench.objectives.schedule import risen


class Capacity(Objective):
    """distortion + γ·|KL − C|, with C rising linearly from 0 to ``c_max`` nats per image; not a bound.

    KL is the rate of all groups, averaged over the batch: C limits the mean rate, and single images may use
    more. The loss of an image is distortion + γ·s·(KL − C), where s is the sign of the batch's mean KL minus
    C; its mean is distortion + γ·|mean KL − C|. The rate stays at C only where γ exceeds the nats of
    distortion that one more nat of rate would save. A much larger γ hides the distortion's gradient; the
    default lies between the values 10 and 1000 in use.
    """

    paper = "Burgess et al. 2018, sec. 5"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        gamma: Annotated[
            float, Meta(ge=0, description="weight of the distance to C; 1000 in the paper")
        ] = 100.0,
        c_max: Annotated[float, Meta(ge=0, description="final C, in nats per image")] = 25.0,
        rise: Annotated[
            float, Meta(ge=0, le=1, description="share of training in which C rises; 0 for a constant C")
        ] = 0.5,
    ) -> None:
        super().__init__()
        self.gamma = gamma
        self.c_max = c_max
        self.rise = rise

    def capacity(self, progress: Progress) -> float:
        """Compute C at this step, in nats per image."""
        return self.c_max * risen(progress, self.rise)

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        over = scored.kl().mean(1).sum(0) - self.capacity(progress)
        return scored.distortion.mean(0) + self.gamma * over.mean().detach().sign() * over
