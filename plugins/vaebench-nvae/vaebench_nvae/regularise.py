"""Spectral regularisation and the penalty on the scales of batch normalisation."""

from collections import defaultdict

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.contracts import Component, Progress

FIRST_ITERATIONS = 40
ITERATIONS = 4


def _matrices(convs: list[nn.Conv2d]) -> Tensor:
    """Stack the weights of convolutions of one shape as (n, outputs, inputs·k·k)."""
    if not hasattr(convs[0], "parametrizations"):
        return torch.stack([c.weight for c in convs]).flatten(2)
    # Equal to every c.weight, g·V/‖V‖, but in a few operations for all.
    gains, directions = (
        torch.stack([c.get_parameter(f"parametrizations.weight.{name}") for c in convs]).flatten(2)
        for name in ("original0", "original1")
    )
    return F.normalize(directions, dim=2, eps=0.0) * gains


class SpectralNorms(nn.Module):
    """The largest singular value σ(W) of every convolution in a module, with W as (outputs, inputs·k·k).

    It is computed by power iteration (Yoshida & Miyato 2017; Miyato et al. 2018) for all convolutions of a
    shape at once: 40 iterations in the constructor and 4 in each ``update``. The vectors are buffers, so that
    a resumed run continues with them. Calling the module changes nothing.
    """

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        alike: defaultdict[tuple[bool, torch.Size], list[nn.Conv2d]] = defaultdict(list)
        for m in module.modules():
            if isinstance(m, nn.Conv2d):
                alike[hasattr(m, "parametrizations"), m.weight.flatten(1).shape].append(m)
        # A plain list, so that the convolutions do not become submodules of this module.
        self._alike = list(alike.values())
        for i, convs in enumerate(self._alike):
            w = torch.stack([c.weight.detach().flatten(1) for c in convs])
            self.register_buffer(f"left{i}", F.normalize(torch.randn_like(w[:, :, 0]), dim=1))
            self.register_buffer(f"right{i}", torch.zeros_like(w[:, 0]))
        self.update(FIRST_ITERATIONS)

    def _vectors(self, i: int) -> tuple[Tensor, Tensor]:
        return self.get_buffer(f"left{i}"), self.get_buffer(f"right{i}")

    @torch.no_grad()
    def update(self, iterations: int = ITERATIONS) -> None:
        """Iterate v ← Wᵀu, u ← Wv, normalised, towards the first singular vectors."""
        for i, convs in enumerate(self._alike):
            w = _matrices(convs)
            left, right = self._vectors(i)
            u = left[:, :, None]
            for _ in range(iterations):
                v = w.mT @ u
                u = F.normalize(w @ v, dim=1)
            left.copy_(u[:, :, 0])
            right.copy_(F.normalize(v, dim=1)[:, :, 0])

    def forward(self) -> Tensor:
        """Compute the scalar Σ σ(W), where σ = uᵀWv with constant u and v, so that ∂σ/∂W = uvᵀ."""
        total = torch.zeros(())
        for i, convs in enumerate(self._alike):
            left, right = self._vectors(i)
            w = _matrices(convs)
            # u and v change in place after the step, so the gradient needs copies.
            total = total.to(w) + (left.clone()[:, :, None] * (w @ right.clone()[:, :, None])).sum()
        return total


def scale_norm(module: nn.Module) -> Tensor:
    """Compute the scalar Σ max|γ| over the batch normalisations of a module; 0 without any."""
    by_size: defaultdict[int, list[Tensor]] = defaultdict(list)
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            by_size[m.num_features].append(m.weight)
    return sum((torch.stack(scales).abs().amax(1).sum() for scales in by_size.values()), torch.zeros(()))


class Regularised(Component):
    """A component with the penalty λ·Σσ(W) + λ·Σ max|γ_BN| on its Lipschitz constants (sec. 3.2, eq. 5)."""

    regularisation: float
    norms: SpectralNorms | None

    def regularise(self, regularisation: float) -> None:
        """Set up the penalty; call this at the end of the constructor, after all weights. λ = 0 is off."""
        self.regularisation = regularisation
        self.norms = SpectralNorms(self) if regularisation else None

    def penalties(self, progress: Progress) -> dict[str, Tensor]:
        """Compute λ·Σσ(W) and λ·Σ max|γ|, in float32 or float64."""
        if self.norms is None:
            return {}
        with torch.autocast(next(self.parameters()).device.type, enabled=False):
            return {
                "spectral": self.regularisation * self.norms(),
                "batch-norm-scale": self.regularisation * scale_norm(self),
            }

    def after_step(self) -> None:
        """In training, update the singular vectors for the changed weights."""
        if self.norms is not None and self.training:
            self.norms.update()
