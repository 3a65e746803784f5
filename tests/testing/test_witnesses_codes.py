"""Faulty quantisers, and the laws that see them."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Term, Walk
from vaebench.distributions import Codes
from vaebench.noise import Noise

from ..fakes.codes import FlatCodes
from .witness import Witness, bites

Features = tuple[Tensor, ...] | None


class BatchMean(FlatCodes):
    """Penalties averaged over the batch."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        for name, value in walk.terms[0].penalties.items():
            walk.terms[0].penalties[name] = value.mean().expand(batch)
        return walk


class OffByOne(FlatCodes):
    """Codes numbered from one."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        q = walk.terms[0].q
        if isinstance(q, Codes):
            walk.terms[0].z, walk.terms[0].q = walk.terms[0].z + 1, Codes(q.codes + 1)
        return walk


class NoGradient(FlatCodes):
    """The look-up alone: nothing reaches the encoder."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        return Walk(walk.terms, tuple(self.quantiser.look_up(walk.terms[0].z) for _ in walk.features))


class Rotation(FlatCodes):
    """The rotation trick (Fifty et al. 2024), q = sg[λR] e, claimed as straight-through."""

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        walk = super().walk(features, source, prior, noise, batch)
        if features is None:
            return walk
        e = self.quantiser.project(features[-1]).movedim(1, -1)
        q = self.quantiser.codebook[walk.terms[0].z]
        a, b = F.normalize(e, dim=-1).detach(), F.normalize(q, dim=-1).detach()
        r = F.normalize(a + b, dim=-1)

        def along(x: Tensor, axis: Tensor) -> Tensor:
            return (x * axis).sum(-1, keepdim=True)

        turned = e - 2 * along(e, r) * r + 2 * along(e, a) * b
        scale = (q.norm(dim=-1, keepdim=True) / e.norm(dim=-1, keepdim=True)).detach()
        return Walk(walk.terms, ((scale * turned).movedim(-1, 1),))


class Ema(Latent):
    """A codebook of running averages; class attributes are where it can go wrong."""

    offers = frozenset({"codes", "single"})
    codes: ClassVar[int] = 64
    decay: ClassVar[float] = 0.99
    start: ClassVar[float] = 1.0
    early: ClassVar[bool] = False
    always: ClassVar[bool] = False

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        channels, h, w = levels[-1]
        self.project = nn.Conv2d(channels, 2, 1)
        self.groups = (Group("codes", (h, w), codes=self.codes),)
        self.out = (Level(2, h, w),)
        self.codebook: Tensor
        self.counts: Tensor
        self.sums: Tensor
        self.register_buffer("codebook", torch.randn(self.codes, 2))
        self.register_buffer("counts", torch.full((self.codes,), self.start))
        self.register_buffer("sums", self.codebook.clone())
        self.seen: Tensor | None = None

    def nearest(self, e: Tensor) -> Tensor:
        return (
            torch.cdist(e.movedim(1, -1).flatten(1, 2), self.codebook).argmin(-1).view(len(e), *e.shape[2:])
        )

    def after_step(self) -> None:
        if self.seen is None:
            return
        e, self.seen = self.seen, None
        chosen = F.one_hot(self.nearest(e).flatten(), self.codes).to(e.dtype)
        rows = e.movedim(1, -1).reshape(-1, 2)
        self.counts = self.decay * self.counts + (1 - self.decay) * chosen.sum(0)
        self.sums = self.decay * self.sums + (1 - self.decay) * chosen.T @ rows
        total = self.counts.sum()
        smooth = (self.counts + 1e-5) / (total + self.codes * 1e-5) * total
        self.codebook = self.sums / smooth[:, None]

    def walk(self, features: Features, source: Source, prior: Prior, noise: Noise, batch: int) -> Walk:
        e = None if features is None else self.project(features[-1])
        if e is not None and (self.training or self.always):
            self.seen = e.detach()
            if self.early:
                self.after_step()
        q = None if e is None else Codes(self.nearest(e))
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None
        z = source.pick(0, q, p, noise)
        found = self.codebook[z].movedim(-1, 1)
        penalties = {} if e is None else {"commitment": 0.25 * (found - e).square().flatten(1).sum(1)}
        return Walk(
            [Term(self.groups[0], z, q, p, (), penalties)],
            (found if e is None else e + (found - e).detach(),),
        )


class ZeroCounts(Ema):
    """Counts start at zero and sums at the codebook: what is never used is divided by nothing."""

    start = 0.0


class FewEma(Ema):
    """Few codes, each used often."""

    codes = 3


class OldByOneMinus(FewEma):
    """N ← (1−γ)N + γn: the old value is weighted by 1 − γ."""

    decay = 0.01


class Early(FewEma):
    """The codebook is updated before the look-up."""

    early = True


class LearnsAlways(FewEma):
    """Statistics are gathered in evaluation as well."""

    always = True


WITNESSES = [
    Witness(
        "latent", "penalties are per image", BatchMean, "image 2 alone", "a commitment loss of batch means"
    ),
    Witness("latent", "codes are certain", OffByOne, "outside 0 .. codes-1", "codes counted from one"),
    Witness("latent", "straight through", NoGradient, "no gradient", "a quantiser without its gradient"),
    Witness(
        "latent",
        "the gradient ignores the code",
        Rotation,
        "another code",
        "a rotation-trick gradient claimed as straight-through",
    ),
    Witness(
        "latent",
        "codes stay near the data",
        ZeroCounts,
        "40 steps",
        "EMA counts that start at zero, dead codes",
    ),
    Witness(
        "latent",
        "codes move slowly",
        OldByOneMinus,
        "one step moves",
        "EMA that weights the old value by 1−γ",
    ),
    Witness(
        "latent", "a look-up changes no code", Early, "after a look-up", "codebook updated before the look-up"
    ),
    Witness(
        "latent",
        "evaluation learns nothing",
        LearnsAlways,
        "changed",
        "a codebook that learns from the test set",
    ),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)


@pytest.mark.parametrize("part", [Ema, FewEma], ids=lambda c: c.__name__)
@pytest.mark.parametrize(
    "law", ["codes stay near the data", "codes move slowly", "a look-up changes no code"]
)
def test_the_averages_done_right_keep_the_laws(part: type, law: str) -> None:
    found = Witness("latent", law, part, "", "").verdict()
    assert found.status == "holds", found.reason
