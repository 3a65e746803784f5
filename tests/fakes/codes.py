"""Code latents and priors over codes, small enough to enumerate: a flat one and a two-level one."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Term, Walk
from vaebench.distributions import Codes, Distribution
from vaebench.errors import UsageError
from vaebench.noise import Noise

K, D = 3, 2


class CategoricalCodes(Distribution):
    """Independent codes from logits (B, K, h, w)."""

    def __init__(self, logits: Tensor) -> None:
        self.logits = logits

    def sample(self, noise: Noise, temperature: float = 1.0) -> Tensor:
        gumbel = -torch.log(-torch.log(noise.uniform(self.logits)))
        return (self.logits / max(temperature, 1e-6) + gumbel).argmax(1)

    def log_prob(self, z: Tensor) -> Tensor:
        if z.shape[1:] != self.logits.shape[2:]:
            raise ValueError(
                f"codes of {tuple(z.shape[1:])} where {tuple(self.logits.shape[2:])} is expected"
            )
        return self.logits.log_softmax(1).gather(1, z.unsqueeze(1)).flatten(1).sum(1)


class Quantiser(nn.Module):
    """Nearest code, straight-through."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.project = nn.Conv2d(channels, D, 1)
        self.codebook = nn.Parameter(torch.randn(K, D))

    def look_up(self, codes: Tensor) -> Tensor:
        return self.codebook[codes].movedim(-1, 1)

    def quantise(self, h: Tensor) -> tuple[Tensor, Tensor]:
        e = self.project(h)
        return e, torch.cdist(e.movedim(1, -1).flatten(1, 2), self.codebook).argmin(-1).view(
            len(e), *e.shape[2:]
        )

    def term(
        self, group: Group, e: Tensor | None, z: Tensor, p: Distribution, above: tuple[Tensor, ...]
    ) -> Term:
        q = None if e is None else Codes(z)
        penalties = {}
        if e is not None:
            distance = (self.look_up(z) - e.detach()).square().flatten(1).sum(1)
            penalties = {
                "codebook": distance,
                "commitment": 0.25 * (self.look_up(z).detach() - e).square().flatten(1).sum(1),
            }
        return Term(group, z, q, p, above, penalties)


class FlatCodes(Latent):
    """``latent=vq``: one grid of codes from the coarsest features."""

    offers = frozenset({"codes", "single"})

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        channels, h, w = levels[-1]
        self.quantiser = Quantiser(channels)
        self.groups = (Group("codes", (h, w), codes=K),)
        self.out = (Level(D, h, w),)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        e, codes = (None, None) if features is None else self.quantiser.quantise(features[-1])
        p = prior.at(0, Context(batch, (), noise))
        assert p is not None
        z = source.pick(0, None if codes is None else Codes(codes), p, noise)
        found = self.quantiser.look_up(z)
        out = found if e is None else e + (found - e).detach()
        return Walk([self.quantiser.term(self.groups[0], e, z, p, ())], (out,))


class TwoCodes(Latent):
    """VQ-VAE-2: a top grid, and a bottom grid that sees the decoded top one."""

    offers = frozenset({"codes"})
    needs: ClassVar = {"enc": frozenset({"pyramid"})}

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        if len(levels) < 2:
            raise UsageError(f"two grids of codes need two encoder maps, not {len(levels)}")
        bottom, top = levels[-2:]
        self.top = Quantiser(top.channels)
        self.bottom = Quantiser(bottom.channels + D)
        self.size = bottom[1:]
        self.groups = (Group("top", top[1:], codes=K), Group("bottom", bottom[1:], codes=K))
        self.out = (Level(2 * D, *bottom[1:]),)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        def level(
            index: int, quantiser: Quantiser, h: Tensor | None, above: tuple[Tensor, ...]
        ) -> tuple[Term, Tensor]:
            e, codes = (None, None) if h is None else quantiser.quantise(h)
            p = prior.at(index, Context(batch, above, noise))
            assert p is not None
            z = source.pick(index, None if codes is None else Codes(codes), p, noise)
            found = quantiser.look_up(z)
            term = quantiser.term(self.groups[index], e, z, p, above)
            return term, found if e is None else e + (found - e).detach()

        first, top = level(0, self.top, None if features is None else features[-1], ())
        up = nn.functional.interpolate(top, size=self.size)
        joined = None if features is None else torch.cat([features[-2], up], 1)
        second, bottom = level(1, self.bottom, joined, (first.z,))
        return Walk([first, second], (torch.cat([bottom, up], 1),))

    def without(self, features: tuple[Tensor, ...], group: int) -> tuple[Tensor, ...]:
        bottom, up = features[0].split(D, 1)
        parts = [bottom, up.mul(0)] if group == 0 else [bottom.mul(0), up]
        return (torch.cat(parts, 1),)


class CodePrior(Prior):
    """``prior=pixelcnn``: rules every group of codes, the lower ones given the codes above."""

    covers = "every group"
    fitted = "after"
    untrained: ClassVar = {"given": "over one grid there are no codes above"}
    needs: ClassVar = {"latent": frozenset({"codes"})}

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.groups = groups
        self.logits = nn.ParameterList(nn.Parameter(torch.zeros(1, g.codes or 0, *g.shape)) for g in groups)
        self.given = nn.Parameter(torch.zeros(groups[0].codes or 0, groups[-1].codes or 0))

    def at(self, group: int, context: Context) -> Distribution:
        logits = self.logits[group].expand(context.batch, *self.logits[group].shape[1:])
        for codes in context.above:
            seen = self.given[codes]
            logits = logits + nn.functional.interpolate(seen.movedim(-1, 1), size=logits.shape[2:])
        return CategoricalCodes(logits)
