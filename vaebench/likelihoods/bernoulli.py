"""Bernoulli pixels."""

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood, Tags
from vaebench.noise import Noise


class Bernoulli(Likelihood):
    """Binary pixels: log p(x) = x·log σ(l) + (1−x)·log σ(−l) with the logit l, for images of two levels."""

    needs: ClassVar[dict[str, Tags]] = {"data": frozenset({"binary"})}
    by_colour: ClassVar[bool] = True
    paper = "Kingma & Welling 2014, app. C.1"

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image)
        self.channels = image.channels

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return -F.binary_cross_entropy_with_logits(params, x.to(params.dtype), reduction="none")

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        return (noise.uniform(params) < params.sigmoid()).long()

    def mean(self, params: Tensor) -> Tensor:
        return params.sigmoid()
