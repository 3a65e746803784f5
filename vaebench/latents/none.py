"""No latents: the decoder alone."""

from typing import ClassVar

import torch
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Latent, Level, Prior, Source, Tags, Walk
from vaebench.noise import Noise


class NoLatent(Latent):
    """No latents: the decoder gets a map without channels, and log p(x) of the model is exact."""

    offers: ClassVar[Tags] = frozenset({"nothing"})
    needs: ClassVar[dict[str, Tags]] = {
        "enc": frozenset({"nothing"}),
        "prior": frozenset({"nothing"}),
        "dec": frozenset({"unconditional"}),
    }
    suggests: ClassVar[dict[str, str]] = {"enc": "none", "prior": "none", "dec": "pixelcnn"}

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        self.groups: tuple[Group, ...] = ()
        self.out = (Level(0, 1, 1),)
        self.like: Tensor
        self.register_buffer("like", torch.empty(0), persistent=False)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        return Walk([], (self.like.new_empty(batch, 0, 1, 1),))
