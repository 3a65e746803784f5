"""The variational mixture of posteriors."""

from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.errors import UsageError
from vaebench.priors.mixture import NormalMixture

DATA_NOISE = 0.01
"""Standard deviation, on the scale 0 to 1, of the noise added to pseudo-images that start from the data."""


class Vamp(Prior):
    """p(z) = (1/K) Σ_k q(z|u_k) at the root, with q of the composed encoder and latent layer.

    The pseudo-images are u = (levels − 1)·hardtanh(v, 0, 1) with trained v (K, C, H, W). The paper uses
    K = 500 and starts v from a normal with mean and standard deviation 0.05, 0.01 on MNIST and 0.4, 0.05 on
    CIFAR. Every training step passes K more images through the encoder.
    """

    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"real", "density"})}
    paper = "Tomczak & Welling 2018, eq. 9 and sec. 5"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        components: Annotated[int, Meta(ge=1, description="number of pseudo-images (K)")] = 100,
        start: Annotated[
            Literal["data", "normal"],
            Meta(description="start of the pseudo-images: noisy training images, or a normal"),
        ] = "data",
        start_mean: Annotated[
            float, Meta(description="mean of the normal for start=normal, on the scale 0 to 1")
        ] = 0.05,
        start_std: Annotated[float, Meta(ge=0, description="standard deviation of that normal")] = 0.01,
    ) -> None:
        super().__init__()
        self.start = start
        self.top = image.levels - 1
        shape = (components, image.channels, image.height, image.width)
        self.free = nn.Parameter(start_mean + start_std * torch.randn(shape))
        self.posterior: Callable[[Tensor], Distribution] | None = None

    def bind(self, posterior: Callable[[Tensor], Distribution]) -> None:
        self.posterior = posterior

    @torch.no_grad()
    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        """Start from distinct random images; where there are fewer than components, they are repeated."""
        if self.start == "normal":
            return
        count = len(self.free)
        order = torch.randperm(len(images), device=images.device)
        chosen = images[order.repeat(-(-count // len(images)))[:count]].to(self.free)
        self.free.copy_(chosen / self.top + DATA_NOISE * torch.randn_like(self.free))

    def pseudo_images(self) -> Tensor:
        """Compute u_1 .. u_K, reals in 0 .. levels-1, (K, C, H, W)."""
        return self.top * F.hardtanh(self.free, 0.0, 1.0)

    def at(self, group: int, context: Context) -> Distribution | None:
        if group > 0:
            return None
        assert self.posterior is not None, "a model binds its prior"
        components = self.posterior(self.pseudo_images())
        if not isinstance(components, DiagonalNormal):
            raise UsageError(
                f"prior=vamp needs normal posteriors; this latent layer has {type(components).__name__}"
            )
        return NormalMixture(components, context.batch)
