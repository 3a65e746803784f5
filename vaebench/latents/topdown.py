"""The hierarchical top-down layer of the very deep VAE."""

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from msgspec import Meta
from torch import Tensor, nn

from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.geometry import fit_channels
from vaebench.blocks.maps import Conv, conv2d, gelu
from vaebench.blocks.recompute import recomputed
from vaebench.contracts import Context, Group, ImageShape, Latent, Level, Prior, Source, Tags, Term, Walk
from vaebench.distributions import DiagonalNormal
from vaebench.errors import UsageError
from vaebench.latents import layout
from vaebench.noise import Noise


class TopDownBlock(nn.Module):
    """One group of latents: the posterior from state and encoder features, the prior from the state."""

    def __init__(self, level: Level, features: int, z_channels: int, bottleneck: float, blocks: int) -> None:
        super().__init__()
        width = level.channels
        hidden = max(1, int(width * bottleneck))
        spatial = min(level.height, level.width) > 2
        scale = blocks**-0.5
        self.z_channels, self.width = z_channels, width
        self.posterior = Bottleneck(width + features, hidden, 2 * z_channels, residual=False, spatial=spatial)
        self.prior = Bottleneck(
            width, hidden, 2 * z_channels + width, residual=False, spatial=spatial, last_scale=0.0
        )
        self.z_proj = Conv(z_channels, width, 1)
        with torch.no_grad():
            self.z_proj.weight.mul_(scale)
        self.residual = Bottleneck(width, hidden, width, residual=True, spatial=spatial, last_scale=scale)

    def infer(self, state: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """Compute mean and log std of q(z_g | z_<g, x); ``seen`` is the GELU of the encoder's map."""
        return self._infer(gelu(state), seen)

    def predict(self, state: Tensor) -> tuple[Tensor, ...]:
        """Compute mean and log std of p(z_g | z_<g), and deterministic features to add to the state."""
        return self._predict(gelu(state))

    def both(self, state: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        """Return the results of ``predict`` and ``infer``, with one GELU of the state."""
        h = gelu(state)
        return *self._predict(h), *self._infer(h, seen)

    def _infer(self, h: Tensor, seen: Tensor) -> tuple[Tensor, ...]:
        # The first convolution in two halves, so that state and features need not be concatenated.
        first = self.posterior.c1
        of_state, of_seen = first.weight.split([h.shape[1], seen.shape[1]], 1)
        joined = conv2d(h, of_state, first.bias) + conv2d(seen, of_seen)
        return self.posterior.parts(joined, self.z_channels, self.z_channels)

    def _predict(self, h: Tensor) -> tuple[Tensor, ...]:
        return self.prior.parts(self.prior.c1(h), self.z_channels, self.z_channels, self.width)

    def update(self, state: Tensor, deterministic: Tensor, z: Tensor) -> Tensor:
        """Compute the state after the prior's features and z are added."""
        return self.residual(state + deterministic + self.z_proj(z))


class TopDown(Latent):
    """Groups of normal latents from coarse to fine; each block reads the encoder's map of its size.

    In each block, the enlarged coarser state is added first where the layer string says so. q is computed
    from state and encoder features, p from the state. Then state += features of p, state += projected z, and
    a residual block follows. The rate is Σ_g KL(q(z_g|z_<g, x) ‖ p(z_g|z_<g)). The composed prior gives p of
    the root, the blocks give p of the other groups.
    """

    offers: ClassVar[Tags] = frozenset({"real", "density", "own-root"})
    needs: ClassVar[dict[str, Tags]] = {"enc": frozenset({"pyramid"})}
    paper = "Child 2021 (very deep VAE), sec. 3 and fig. 3"
    untrained: ClassVar[dict[str, str]] = {
        "blocks.0.prior.": "a root whose state starts from zero (no_bias_above) has a constant input"
    }

    def __init__(
        self,
        levels: tuple[Level, ...],
        image: ImageShape,
        *,
        blocks: Annotated[
            str,
            Meta(description="layer string by map side, as in 1x2,4m1,4x3, or the number of blocks per size"),
        ] = "1",
        z_channels: Annotated[int, Meta(ge=1, description="number of latent channels of each group")] = 8,
        bottleneck: Annotated[
            float, Meta(gt=0, le=4, description="inner channels of a block as a share of its outer ones")
        ] = 0.5,
        no_bias_above: Annotated[
            int,
            Meta(
                ge=0,
                description="largest side of states that start from a learned constant; others start from 0",
            ),
        ] = 64,
    ) -> None:
        super().__init__()
        sides = tuple(max(level[1:]) for level in levels)
        distinct = tuple(dict.fromkeys(sides))
        self.layout = layout.parse(layout.default(distinct, int(blocks)) if blocks.isdecimal() else blocks)
        used = list(dict.fromkeys(block.side for block in self.layout))
        if wrong := [h for h in used if h not in sides]:
            raise UsageError(
                f"blocks: the encoder has no map of side {wrong[0]}; its sides are {list(distinct)}"
            )
        # Where several maps have the same side, the last is the deepest.
        self.feature_of = {side: i for i, side in enumerate(sides) if side in used}
        self.level_of = {side: levels[i] for side, i in self.feature_of.items()}
        self.start = nn.ParameterDict(
            {str(h): torch.zeros(1, *self.level_of[h]) for h in used if h <= no_bias_above}
        )
        self.blocks = nn.ModuleList(
            TopDownBlock(
                self.level_of[b.side],
                levels[self.feature_of[b.side]].channels,
                z_channels,
                bottleneck,
                len(self.layout),
            )
            for b in self.layout
        )
        self.groups = tuple(
            Group(f"{i}@{b.side}", (z_channels, *self.level_of[b.side][1:]))
            for i, b in enumerate(self.layout)
        )
        self.out = (self.level_of[used[-1]],)

    def _state(self, states: dict[int, Tensor], block: layout.Block, batch: int) -> Tensor:
        """Return the state that a block starts from: the one of its size, plus the coarser one to mix in."""
        level = self.level_of[block.side]
        state = states.get(block.side)
        if state is None and str(block.side) in self.start:
            state = self.start[str(block.side)].expand(batch, *level)
            # Channels last, like the maps of the very deep encoder: mixed formats cost copies.
            state = state.contiguous(memory_format=torch.channels_last)
        if state is None:
            like = next(self.parameters())
            state = torch.zeros(batch, *level, dtype=like.dtype, device=like.device)
        if block.mix is None:
            return state
        coarser = fit_channels(states[block.mix], level.channels)
        return state + F.interpolate(coarser, size=level[1:], mode="nearest")

    def root(self, features: tuple[Tensor, ...]) -> DiagonalNormal:
        first = self.layout[0]
        h = features[self.feature_of[first.side]]
        block = self.blocks[0]
        assert isinstance(block, TopDownBlock)
        return DiagonalNormal(*block.infer(self._state({}, first, len(h)), gelu(h)))

    def walk(
        self, features: tuple[Tensor, ...] | None, source: Source, prior: Prior, noise: Noise, batch: int
    ) -> Walk:
        # Every block of a side reads the same map through the same GELU.
        seen = {} if features is None else {s: gelu(features[i]) for s, i in self.feature_of.items()}
        states: dict[int, Tensor] = {}
        terms: list[Term] = []
        above: tuple[Tensor, ...] = ()
        for i, (place, block) in enumerate(zip(self.layout, self.blocks, strict=True)):
            assert isinstance(block, TopDownBlock)
            state = self._state(states, place, batch)
            q = None
            if features is None:
                mean, log_std, deterministic = block.predict(state)
            else:
                mean, log_std, deterministic, *of_q = recomputed(
                    self.recompute, block.both, state, seen[place.side]
                )
                q = DiagonalNormal(*of_q)
            p = prior.at(i, Context(batch, above, noise)) or DiagonalNormal(mean, log_std)
            z = source.pick(i, q, p, noise)
            states[place.side] = recomputed(self.recompute, block.update, state, deterministic, z)
            terms.append(Term(self.groups[i], z, q, p, above))
            above = (*above, z)
        return Walk(terms, (states[self.layout[-1].side],))
