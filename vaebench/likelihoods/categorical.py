"""Categorical pixels."""

from typing import ClassVar

import torch
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood
from vaebench.noise import Noise


class Categorical(Likelihood):
    """A softmax over the levels of each pixel value: log p(x) = l_x − logsumexp(l), one logit l per level."""

    by_colour: ClassVar[bool] = True
    paper = "van den Oord et al. 2016 (PixelRNN), sec. 3.4"

    def __init__(self, image: ImageShape) -> None:
        super().__init__(image)
        self.channels = image.channels * image.levels

    def _logits(self, params: Tensor) -> Tensor:
        """Reshape the parameters to logits (B, C, levels, H, W)."""
        return params.unflatten(1, (self.image.channels, self.image.levels))

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        log_p = self._logits(params).log_softmax(2)
        return log_p.gather(2, x.long().unsqueeze(2)).squeeze(2)

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        logits = self._logits(params)
        return (logits - torch.log(-torch.log(noise.uniform(logits)))).argmax(2)

    def mean(self, params: Tensor) -> Tensor:
        p = self._logits(params).softmax(2)
        return torch.einsum("bclhw,l->bchw", p, torch.arange(p.shape[2], device=p.device, dtype=p.dtype))
