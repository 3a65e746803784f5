"""The latent layer of NVAE: top-down groups."""

from itertools import pairwise
from typing import Annotated, ClassVar

import torch
from msgspec import Meta
from torch import Tensor, nn

from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Tags, Term, Walk
from vaebench.distributions import Distribution
from vaebench.noise import Noise
from vaebench_nvae.cells import DecoderCell, conv, through
from vaebench_nvae.normals import normal, residual
from vaebench_nvae.regularise import Regularised


class Root(nn.Module):
    """The coarsest group: q from the encoder's last map alone; its own p is N(0, 1.01²)."""

    def __init__(self, level: Level, z_channels: int) -> None:
        super().__init__()
        channels = level.channels
        self.shape = (2 * z_channels, level.height, level.width)
        self.features = nn.Sequential(nn.ELU(), conv(channels, channels, 1), nn.ELU())
        self.moments = conv(channels, 2 * z_channels, 3)
        self.combine = conv(channels + z_channels, channels, 1)

    def advance(self, state: Tensor, recompute: bool) -> Tensor:
        return state

    def prior(self, state: Tensor) -> Tensor:
        return state.new_zeros(len(state), *self.shape)

    def posterior(self, state: Tensor, raw_prior: Tensor, features: Tensor) -> Distribution:
        return normal(self.moments(self.features(features)))


class Conditional(nn.Module):
    """A group below the root: cells, p from the state, and q relative to p from state and features."""

    def __init__(
        self, coarser: Level, level: Level, features: int, z_channels: int, cells: int, expand: int
    ) -> None:
        super().__init__()
        channels = level.channels
        size = None if coarser[1:] == level[1:] else level[1:]
        self.cells = nn.ModuleList(
            [DecoderCell(coarser.channels, channels, expand, size)]
            + [DecoderCell(channels, channels, expand) for _ in range(cells - 1)]
        )
        self.prior_moments = nn.Sequential(nn.ELU(), conv(channels, 2 * z_channels, 1))
        self.meet = conv(channels, features, 1)
        self.moments = conv(features, 2 * z_channels, 3)
        self.combine = conv(channels + z_channels, channels, 1)

    def advance(self, state: Tensor, recompute: bool) -> Tensor:
        """Compute the state of this group from the previous one."""
        return through(self.cells, state, recompute)

    def prior(self, state: Tensor) -> Tensor:
        """Compute raw moments of p(z_g | z_<g), (B, 2·C, H, W)."""
        return self.prior_moments(state)

    def posterior(self, state: Tensor, raw_prior: Tensor, features: Tensor) -> Distribution:
        """Compute q(z_g | z_<g, x)."""
        return residual(raw_prior, self.moments(features + self.meet(state)))


class Nvae(Regularised, Latent):
    """Groups of normal latents from coarse to fine, one for each map of the encoder.

    The first state is a learned constant. In each group, residual cells come first, and the first cell
    enlarges where the size grows; then p(z_g|z_<g) = N(μp, σp²) is computed from the state, and
    q(z_g|z_<g, x) = N(μp + Δμ, (σp·Δσ)²) from encoder map + 1x1(state), clamped as in
    ``vaebench_nvae.normals``; then state ← 1x1(state, z). The rate is Σ_g KL(q_g‖p_g). The composed prior
    gives p of the root, where q depends on the image only: N(0, I) with ``prior=normal``, the published
    N(0, 1.01²) with ``prior=own``.
    """

    offers: ClassVar[Tags] = frozenset({"real", "density", "own-root"})
    suggests: ClassVar[dict[str, str]] = {"enc": "nvae", "dec": "nvae"}
    paper = "Vahdat & Kautz 2020 (NVAE), sec. 3.1-3.2, fig. 2-3, app. A"

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        z_channels: Annotated[int, Meta(ge=1, description="number of latent channels of each group")] = 20,
        cells: Annotated[
            int, Meta(ge=1, description="number of residual cells from one group to the next")
        ] = 1,
        expand: Annotated[int, Meta(ge=1, description="factor on a cell's inner channels")] = 6,
        regularisation: Annotated[
            float,
            Meta(
                ge=0,
                description="weight λ of the penalties Σσ(W) and Σmax|γ| of batch normalisation; 0 is off",
            ),
        ] = 1e-2,
    ) -> None:
        super().__init__()
        downwards = levels[::-1]
        self.start = nn.Parameter(torch.randn(1, *downwards[0]))
        blocks: list[Root | Conditional] = [Root(downwards[0], z_channels)]
        for coarser, level in pairwise(downwards):
            blocks.append(Conditional(coarser, level, level.channels, z_channels, cells, expand))
        self.blocks = nn.ModuleList(blocks)
        self.groups = tuple(
            Group(f"{i}@{max(level[1:])}", (z_channels, *level[1:])) for i, level in enumerate(downwards)
        )
        self.out = (levels[0],)
        self.regularise(regularisation)

    def root(self, features: tuple[Tensor, ...]) -> Distribution:
        block = self.blocks[0]
        assert isinstance(block, Root)
        h = features[-1]
        state = self.start.expand(len(h), -1, -1, -1)
        return block.posterior(state, block.prior(state), h)

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        state = self.start.expand(batch, -1, -1, -1)
        terms: list[Term] = []
        above: tuple[Tensor, ...] = ()
        for i, (group, block) in enumerate(zip(self.groups, self.blocks, strict=True)):
            assert isinstance(block, Root | Conditional)
            state = block.advance(state, self.recompute)
            raw = block.prior(state)
            q = None if features is None else block.posterior(state, raw, features[-1 - i])
            p = prior.at(i, Context(batch, above, noise)) or normal(raw)
            z = source.pick(i, q, p, noise)
            state = block.combine(torch.cat([state, z], 1))
            terms.append(Term(group, z, q, p, above))
            above = (*above, z)
        return Walk(terms, (state,))
