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
    """Codes in raster order: log p(z) = Σ_i log p(z_i | z_<i, condition), exact, in nats per image.

    :param condition: (B, channels, h, w), or None
    """

    def __init__(self, net: "CodeNet", condition: Tensor | None, batch: int) -> None:
        self.net = net
        self.condition = condition
        self.batch = batch

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        """Draw codes (B, h, w), int64; the temperature divides the logits."""
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
    """Codes of an unknown class: log p(z) = log (1/Y) Σ_y p(z|y), exact.

    :param given: labels (B,) -> the distribution given the classes
    :param classes: Y
    :param like: a floating tensor (B,) that gives dtype and device
    """

    def __init__(self, given: Callable[[Tensor], RasterCodes], classes: int, like: Tensor) -> None:
        self.given = given
        self.classes = classes
        self.like = like

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        labels = (noise.uniform(self.like) * self.classes).long().clamp(max=self.classes - 1)
        return self.given(labels).sample(noise, temperature)

    def log_prob(self, z: Tensor) -> Tensor:
        labels = [torch.full((len(z),), y, device=z.device) for y in range(self.classes)]
        log_p = [self.given(label).log_prob(z) for label in labels]
        return torch.stack(log_p).logsumexp(0) - math.log(self.classes)


class CodeNet(nn.Module):
    """The network of one grid: embedded codes, gated layers, and K logits at each place.

    :param above: numbers of codes of the grids above, whose enlarged features are an unmasked condition
    :param classes: number of classes that the grid is conditioned on; 0 for none
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
        """Compute the condition (B, width, h, w) of every layer from the codes above and the class."""
        total: Tensor | None = None
        for codes, layers in zip(above, self.above, strict=True):
            assert isinstance(layers, nn.ModuleList)
            embed, before, after = layers
            h = F.gelu(before(embed(codes).movedim(-1, 1)))
            h = F.gelu(after(F.interpolate(h, size=self.size, mode="nearest")))
            total = h if total is None else total + h
        if self.classes is not None and labels is not None:
            embedded = self.classes(labels)[:, :, None, None]
            total = embedded.expand(-1, -1, *self.size) if total is None else total + embedded
        return total

    def forward(self, codes: Tensor, condition: Tensor | None) -> Tensor:
        """Compute logits (B, K, h, w) from codes (B, h, w), int64."""
        return self.readout(self.gated(self.embed(codes).movedim(-1, 1), condition))


class PixelCnn(Prior):
    """A gated PixelCNN over each grid of codes; lower grids are conditioned on the codes above.

    p(z) = Π_g Π_i p(z_g,i | z_g,<i, z_<g), fitted after the other components on their frozen codes. With
    classes, the root grid is fitted as p(z|y). Where no class is given, all classes are equally likely, so
    that density and samples are those of a model without labels.
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
        width: Annotated[int, Meta(ge=1, description="number of channels of every layer")] = 64,
        layers: Annotated[int, Meta(ge=1, description="number of gated layers of each grid")] = 8,
        kernel: Annotated[int, Meta(ge=3, le=15, description="side of the kernels, an odd number")] = 3,
        classes: Annotated[
            int, Meta(ge=0, description="number of classes that the root grid is conditioned on; 0 for none")
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
        count = 0 if labels is None else int(labels.max()) + 1
        if self.classes and self.classes != count:
            raise UsageError(f"classes={self.classes}, but the data set has {count or 'no'} classes")

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
