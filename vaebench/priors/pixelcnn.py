"""The gated PixelCNN prior over codes."""

import math
from collections.abc import Callable
from typing import Annotated, ClassVar, Literal

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.gated import GatedPixelCnn, pick, readout
from vaebench.blocks.raster import draw
from vaebench.contracts import Context, Group, ImageShape, Prior, Tags
from vaebench.distributions import Distribution, check_shape
from vaebench.errors import UsageError
from vaebench.noise import Noise


class RasterCodes(Distribution):
    """Codes drawn place by place: log p(z) = Σ_i log p(z_i | z_<i, condition), exact, in nats per image.

    :param condition: (B, channels, h, w), or None
    """

    def __init__(self, net: "CodeNet", condition: Tensor | None, batch: int) -> None:
        self.net = net
        self.condition = condition
        self.batch = batch

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """(B, h, w) int64; the temperature divides the logits."""
        codes: list[Tensor] = []
        cool = max(temperature, 1e-6)

        def at(row: int, column: int, h: Tensor) -> Tensor:
            logits = self.net.readout(h[:, :, None, None])[:, :, 0, 0] / cool
            codes.append(pick(logits, noise.uniform(logits[:, 0])))
            return self.net.embed(codes[-1])

        draw(self.net.gated, self.batch, self.net.size, self.condition, at)
        return torch.stack(codes, 1).unflatten(1, self.net.size)

    def log_prob(self, z: Tensor) -> Tensor:
        check_shape(z, (len(z), *self.net.size))
        return -F.cross_entropy(self.net(z, self.condition), z, reduction="none").flatten(1).sum(1)


class EitherClass(Distribution):
    """The class unknown: log p(z) = log (1/Y) Σ_y p(z|y), exact."""

    def __init__(self, of: Callable[[Tensor], RasterCodes], classes: int, like: Tensor) -> None:
        self.of = of
        self.classes = classes
        self.like = like

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        labels = (noise.uniform(self.like) * self.classes).long().clamp(max=self.classes - 1)
        return self.of(labels).sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        each = [self.of(torch.full((len(z),), y, device=z.device)).log_prob(z) for y in range(self.classes)]
        return torch.stack(each).logsumexp(0) - math.log(self.classes)


class CodeNet(nn.Module):
    """One grid of codes: embedded, through gated layers, to K logits at each place.

    :param above: code counts of the grids above, whose codes join as unmasked, enlarged features
    """

    def __init__(
        self,
        size: tuple[int, int],
        codes: int,
        above: tuple[int, ...],
        classes: int,
        width: int,
        layers: int,
        kernel: int,
    ) -> None:
        super().__init__()
        self.size = size
        self.embed = nn.Embedding(codes, width)
        self.above = nn.ModuleList(
            nn.ModuleList(
                [
                    nn.Embedding(k, width),
                    nn.Conv2d(width, width, 3, padding=1),
                    nn.Conv2d(width, width, 3, padding=1),
                ]
            )
            for k in above
        )
        self.classes = nn.Embedding(classes, width) if classes else None
        conditioned = width if above or classes else 0
        self.gated = GatedPixelCnn(width, width, layers, kernel, conditioned)
        self.readout = readout(width, codes)

    def condition(self, above: tuple[Tensor, ...], labels: Tensor | None) -> Tensor | None:
        """(B, width, h, w) that every layer sees, from the codes above and the class."""
        total: Tensor | None = None
        for codes, layers in zip(above, self.above, strict=True):
            assert isinstance(layers, nn.ModuleList)
            embed, before, after = layers
            h = F.gelu(before(embed(codes).movedim(-1, 1)))
            h = F.gelu(after(F.interpolate(h, size=self.size, mode="nearest")))
            total = h if total is None else total + h
        if self.classes is not None and labels is not None:
            of_class = self.classes(labels)[:, :, None, None]
            total = of_class.expand(-1, -1, *self.size) if total is None else total + of_class
        return total

    def forward(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """(B, h, w) int64 -> logits (B, K, h, w)."""
        return self.readout(self.gated(self.embed(codes).movedim(-1, 1), condition))


class PixelCnn(Prior):
    """A gated PixelCNN over each grid of codes, the lower grids given the codes above.

    p(z) = Π_g Π_i p(z_g,i | z_g,<i, z_<g), fitted after the rest on its frozen codes. With classes, the root
    grid is p(z|y) while it is fitted; where no class is given the classes are equally likely, so that the
    density and the samples are those of a model without labels.
    """

    covers: ClassVar[Literal["root", "every group"]] = "every group"
    fitted: ClassVar[Literal["with", "after"]] = "after"
    needs: ClassVar[dict[str, Tags]] = {"latent": frozenset({"codes"})}
    paper = "van den Oord et al. 2016 (Conditional PixelCNN), sec. 2; Razavi et al. 2019 (VQ-VAE-2), sec. 3.2"

    def __init__(
        self,
        groups: tuple[Group, ...],
        image: ImageShape,
        *,
        width: Annotated[int, Meta(ge=1, description="channels of every layer")] = 64,
        layers: Annotated[int, Meta(ge=1, description="gated layers of each grid")] = 8,
        kernel: Annotated[int, Meta(ge=3, le=15, description="side of the kernels, odd")] = 3,
        classes: Annotated[
            int, Meta(ge=0, description="classes that the root grid is conditioned on; 0 for none")
        ] = 0,
    ) -> None:
        super().__init__()
        self.classes = classes
        counts = [group.codes or 0 for group in groups]
        self.nets = nn.ModuleList(
            CodeNet(
                (group.shape[0], group.shape[1]),
                counts[i],
                tuple(counts[:i]),
                0 if i else classes,
                width,
                layers,
                kernel,
            )
            for i, group in enumerate(groups)
        )

    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        found = 0 if labels is None else int(labels.max()) + 1
        if self.classes and self.classes != found:
            raise UsageError(f"classes={self.classes}: these data have {found or 'no'} classes")

    def at(self, group: int, context: Context) -> Distribution:
        net = self.nets[group]
        assert isinstance(net, CodeNet)
        if group == 0 and self.classes:
            if context.labels is not None:
                return self._of_class(net, context.labels)
            like = net.embed.weight.new_empty(context.batch)
            return EitherClass(lambda labels: self._of_class(net, labels), self.classes, like)
        return RasterCodes(net, net.condition(context.above, None), context.batch)

    @staticmethod
    def _of_class(net: CodeNet, labels: Tensor) -> RasterCodes:
        return RasterCodes(net, net.condition((), labels), len(labels))
