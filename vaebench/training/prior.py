"""Fitting a prior to the latents of an otherwise frozen model."""

import torch
from torch import Tensor, nn

from vaebench.contracts import Context, Infer, Progress, Scored, Term
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise


class PriorFit(nn.Module):
    """Trains only the prior of a model; the loss is the rate KL(q‖p), nats per image.

    All else is frozen, in evaluation mode, and not in this module's state.
    """

    def __init__(self, model: Vae) -> None:
        super().__init__()
        self.image = model.image
        self.prior = model.prior
        self.frozen = (model.eval(),)  # in a tuple, so that it is not a submodule
        kept = {id(p) for p in model.prior.parameters()}
        for p in model.parameters():
            p.requires_grad_(id(p) in kept)
        self.prior.train()

    def scored(self, x: Tensor, noise: Noise, labels: Tensor | None) -> Scored:
        """The terms of integer images x (B, C, H, W) with a distortion of zero."""
        (model,) = self.frozen
        with torch.no_grad():
            walk = model.latent.walk(model.encoder(model.normalise(x)), Infer(), self.prior, noise, len(x))
        terms = []
        for i, t in enumerate(walk.terms):
            p = self.prior.at(i, Context(len(x), t.above, noise, labels)) or t.p
            terms.append(Term(t.group, t.z, t.q, p, t.above))
        return Scored(torch.zeros(1, len(x), device=x.device), terms)

    def loss(
        self, x: Tensor, noise: Noise, progress: Progress, labels: Tensor | None = None
    ) -> tuple[Tensor, Scored]:
        """The mean rate over images, plus the prior's penalties."""
        scored = self.scored(x, noise, labels if self.prior.classes else None)
        loss = scored.kl().sum((0, 1)).mean()
        for penalty in self.prior.penalties(progress).values():
            loss = loss + penalty
        return loss, scored

    def after_step(self) -> None:
        """Let the prior commit its running statistics."""
        self.prior.after_step()

    def rate(self, images: Tensor, rows: int, seed: int) -> float:
        """The mean rate over images, nats per image."""
        return self.rates(images, rows, seed).mean().item()

    @torch.inference_mode()
    def rates(self, images: Tensor, rows: int, seed: int) -> Tensor:
        """The rate of every image, (N,) nats, float64 on the CPU; noise is fixed by seed and image number."""
        rates = []
        for start in range(0, len(images), rows):
            x = images[start : start + rows]
            noise = ImageNoise(seed, torch.arange(start, start + len(x), device=x.device))
            rates.append(self.scored(x, noise, None).kl().sum((0, 1)).double().cpu())
        return torch.cat(rates)
