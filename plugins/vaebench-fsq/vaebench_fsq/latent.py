"""A grid of codes by finite scalar quantisation."""

from typing import Annotated, ClassVar

from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Tags, Term, Walk
from vaebench.distributions import Codes
from vaebench.errors import UsageError
from vaebench.noise import Noise
from vaebench_fsq.quantise import Grid


class Fsq(Latent):
    """ẑ = round(f(e)), where the tanh f bounds channel i of the coarsest features to L_i levels.

    The code of a place is the number of its ẑ among K = Π L_i points, all of which are reachable; there is no
    codebook to learn. The straight-through gradient treats rounding as the identity, so that d out / d e is
    the derivative of f.
    """

    offers: ClassVar[Tags] = frozenset({"codes", "single"})
    suggests: ClassVar[dict[str, str]] = {"prior": "pixelcnn"}
    paper = "Mentzer et al. 2023 (Finite Scalar Quantization), sec. 3.1"

    def __init__(
        self,
        maps: tuple[Level, ...],
        image: ImageShape,
        *,
        levels: Annotated[
            str,
            Meta(
                description="number of levels of each channel, 2 or more, separated by commas",
                examples=["8,5,5,5", "2", "3,4"],
            ),
        ] = "8,5,5,5",
    ) -> None:
        super().__init__()
        channels, height, width = maps[-1]
        self.grid = Grid(_parsed(levels))
        dims = len(self.grid.levels)
        self.project = nn.Conv2d(channels, dims, 1)
        self.groups = (Group("codes", (height, width), codes=self.grid.codes),)
        self.out = (Level(dims, height, width),)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        bounded = None if features is None else self.grid.bound(self.project(features[-1]))
        q = None if bounded is None else Codes(self.grid.round(bounded))
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None, "a prior covers at least the root"
        z = source.pick(0, q, p, noise)
        values = self.grid.values(z).to(self.project.weight.dtype)
        if bounded is not None:
            values = bounded + (values - bounded).detach()
        return Walk([Term(self.groups[0], z, q, p)], (self.grid.scaled(values),))


def _parsed(text: str) -> tuple[int, ...]:
    words = text.split(",")
    if not all(word.strip().isdecimal() and 2 <= int(word) <= 4096 for word in words):
        raise UsageError(f"levels={text}: expected integers of 2 or more, separated by commas, as in 8,5,5,5")
    return tuple(int(word) for word in words)
