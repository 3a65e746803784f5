"""Discretised logistic pixels."""

from typing import Annotated, ClassVar

from msgspec import Meta
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood
from vaebench.maths import logistic
from vaebench.noise import Noise


class Logistic(Likelihood):
    """Discretised logistic pixels: a mean and a scale for each pixel value, on the scale [-1, 1].

    P(x) = σ((v + h − μ)/s) − σ((v − h − μ)/s) with v = 2x/(levels − 1) − 1 and h = 1/(levels − 1); the outer
    bins reach to infinity (``vaebench.maths.logistic.log_mass``).
    """

    by_colour: ClassVar[bool] = True
    paper = "Kingma et al. 2016 (IAF), sec. 5.2; Salimans et al. 2017, sec. 2.1"

    def __init__(
        self,
        image: ImageShape,
        *,
        min_log_scale: Annotated[
            float, Meta(ge=-20, le=0, description="smallest log scale, with pixels on [-1, 1]")
        ] = -7.0,
    ) -> None:
        super().__init__(image)
        self.channels = 2 * image.channels
        self.min_log_scale = min_log_scale

    def _split(self, params: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_scale = params.unflatten(1, (self.image.channels, 2)).unbind(2)
        return mean, log_scale.clamp(min=self.min_log_scale)

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return logistic.log_mass(x, *self._split(params), self.image.levels)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        mean, log_scale = self._split(params)
        return logistic.from_unit(logistic.icdf(noise.uniform(mean), mean, log_scale), self.image.levels)

    def mean(self, params: Tensor) -> Tensor:
        return logistic.expectation(*self._split(params), self.image.levels)
