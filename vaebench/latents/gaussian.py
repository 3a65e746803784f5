"""One group of normal latents."""

from typing import Annotated, ClassVar, Literal

from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Tags, Term, Walk
from vaebench.distributions import DiagonalNormal
from vaebench.noise import Noise


class Gaussian(Latent):
    """q(z|x) = N(μ(x), σ(x)²), from the coarsest features.

    z is one vector (B, dim, 1, 1), or with form=map one map (B, dim, H, W) of the coarsest features' size.
    """

    offers: ClassVar[Tags] = frozenset({"real", "density", "single"})
    paper = "Kingma & Welling 2014, sec. 3"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        dim: Annotated[
            int, Meta(ge=1, description="number of latent dimensions, or of channels with form=map")
        ] = 32,
        form: Annotated[
            Literal["vector", "map"],
            Meta(description="one vector per image, or a map of the coarsest features' size"),
        ] = "vector",
    ) -> None:
        super().__init__()
        channels, height, width = levels[-1]
        self.flatten = form == "vector"
        if self.flatten:
            channels, height, width = channels * height * width, 1, 1
        self.moments = nn.Conv2d(channels, 2 * dim, 1)
        self.groups = (Group("z", (dim, height, width)),)
        self.out = (Level(dim, height, width),)

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        h = features[-1]
        mean, log_std = self.moments(h.flatten(1)[:, :, None, None] if self.flatten else h).chunk(2, dim=1)
        return DiagonalNormal(mean, log_std)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        q = None if features is None else self.root(features)
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None, "a prior covers at least the root"
        z = source.pick(0, q, p, noise)
        return Walk([Term(self.groups[0], z, q, p)], (z,))
