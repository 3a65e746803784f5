"""Parts for the kit's own tests: an autoregressive decoder, and how parts are registered."""

from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench import registry
from vaebench.contracts import Decoder, ImageShape, Level, Output
from vaebench.hookspecs import Entry
from vaebench.noise import Noise
from vaebench.registry import Registered, Registry
from vaebench.testing.subject import PartSubject


class Masked(nn.Conv2d):
    """A row convolution over the pixel and the two to its left, the last tap shut by mask A."""

    def __init__(self, inputs: int, outputs: int, mask: str) -> None:
        super().__init__(inputs, outputs, (1, 3))
        self.open: Tensor
        self.register_buffer("open", torch.tensor([1.0, 1.0, float(mask == "B")]), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.conv2d(F.pad(x, (2, 0)), self.weight * self.open, self.bias)


class Raster(Decoder):
    """A small PixelCNN of two stacks, without caching; its class attributes are where it can go wrong."""

    offers = frozenset({"autoregressive"})
    first: ClassVar[str] = "A"
    later: ClassVar[str] = "B"
    shifted: ClassVar[bool] = True
    normed: ClassVar[bool] = False

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        self.image, self.width = image, 6
        self.of_z = nn.Conv2d(levels[0].channels, self.width, 1)
        sizes = [image.channels + 1, self.width, self.width]
        self.vertical = nn.ModuleList(nn.Conv2d(n, self.width, (2, 3)) for n in sizes)
        self.link = nn.ModuleList(nn.Conv2d(self.width, self.width, 1) for _ in sizes)
        masks = [self.first, *[self.later] * (len(sizes) - 1)]
        self.horizontal = nn.ModuleList(Masked(n, self.width, m) for n, m in zip(sizes, masks, strict=True))
        self.norms = nn.ModuleList(
            nn.BatchNorm2d(self.width) if self.normed else nn.Identity() for _ in sizes
        )

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        assert x is not None
        v = x.to(self.of_z.weight) * (2 / (self.image.levels - 1)) - 1
        v = torch.cat([v, torch.ones_like(v[:, :1])], 1)
        h = v
        z = F.interpolate(self.of_z(features[0]), size=x.shape[2:])
        for down, link, across, norm in zip(
            self.vertical, self.link, self.horizontal, self.norms, strict=True
        ):
            v = down(F.pad(v, (1, 1, 1, 0))).tanh()
            above = F.pad(v, (0, 0, 1, 0))[:, :, :-1] if self.shifted else v
            h = norm(across(h) + link(above) + z).tanh()
        return h

    def sample(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        image = self.image
        x = torch.zeros(len(features[0]), image.channels, image.height, image.width, dtype=torch.int64)
        for i in range(image.height):
            for j in range(image.width):
                for c in range(image.channels if output.likelihood.by_colour else 1):
                    params = output.parameters_of(self(features, x))[:, :, i : i + 1, j : j + 1]
                    x[:, c:, i, j] = output.likelihood.sample(params, noise)[:, c:, 0, 0]
        return x

    def mean(self, features: tuple[Tensor, ...], output: Output, noise: Noise) -> Tensor:
        return self.sample(features, output, noise).double()


def with_parts(*parts: tuple[str, str, type]) -> Registry:
    """What is installed, and these parts: kind, name, class."""
    there = registry.load()
    entries = (Entry(k, n, f"{c.__module__}:{c.__qualname__}", "for a test") for k, n, c in parts)
    return Registry([*there.entries(), *(Registered(entry, "tests", "0") for entry in entries)])


def subject_of(kind: str, part: type, *beside: tuple[str, str, type]) -> PartSubject:
    """A class as the subject of its kind's laws."""
    name = f"fake-{part.__name__.lower()}"
    return PartSubject(kind, name, "tests", with_parts((kind, name, part), *beside))


def law_of(laws: Any, name: str) -> Any:
    """The law of this name."""
    return next(law for law in laws if law.name == name)
