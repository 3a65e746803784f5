"""The composed model: per-image terms in nats, samples and reconstructions, for any components."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch
from torch import Tensor, nn

from vaebench.contracts import (
    Component,
    Context,
    Decoder,
    Encoder,
    Generate,
    Given,
    ImageShape,
    Infer,
    Latent,
    Likelihood,
    Objective,
    Output,
    Prior,
    Progress,
    Scored,
    Source,
    Walk,
)
from vaebench.distributions import Distribution
from vaebench.noise import Noise, TorchNoise


@contextmanager
def _as_in_evaluation(*parts: nn.Module) -> Iterator[None]:
    """Use running statistics without updating them, and no dropout; restore every module's mode after."""
    modes = [(module, module.training) for part in parts for module in part.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode


class Vae(nn.Module):
    """A model of six components: p(x, z) = p(z) p(x|z), the posterior q(z|x), and the objective.

    :param shift: the encoder receives (x − shift)/scale of integer images; by default values in [-1, 1]
    """

    def __init__(
        self,
        image: ImageShape,
        encoder: Encoder,
        latent: Latent,
        prior: Prior,
        decoder: Decoder,
        likelihood: Likelihood,
        objective: Objective,
        *,
        shift: float | None = None,
        scale: float | None = None,
    ) -> None:
        super().__init__()
        self.image = image
        self.encoder = encoder
        self.latent = latent
        self.prior = prior
        self.decoder = decoder
        self.output = Output(decoder.head(likelihood), likelihood)
        self.objective = objective
        half = (image.levels - 1) / 2
        self.shift: Tensor
        self.scale: Tensor
        self.register_buffer("shift", torch.tensor(half if shift is None else shift), persistent=False)
        self.register_buffer("scale", torch.tensor(half if scale is None else scale), persistent=False)
        self.spec = ""
        """The canonical text of the composition; empty for a model that was wired by hand."""
        self.replace_prior(prior)

    @property
    def likelihood(self) -> Likelihood:
        """The likelihood of the output head."""
        return self.output.likelihood

    def extra_repr(self) -> str:
        """Show the composition when the model is printed."""
        return self.spec

    def replace_prior(self, prior: Prior) -> Prior:
        """Replace the prior, and return the previous one."""
        before, self.prior = self.prior, prior
        self.parts = tuple(m for m in self.modules() if isinstance(m, Component))
        prior.bind(self.root_posterior)
        return before

    def normalise(self, x: Tensor) -> Tensor:
        """Normalise integer images, or real-valued pseudo-images, for the encoder."""
        return (x.to(self.shift.dtype) - self.shift) / self.scale

    def root_posterior(self, images: Tensor) -> Distribution:
        """Compute q(z_root | pseudo-images), reals in 0 .. levels-1, for priors that mix posteriors.

        In training too, encoder and latent layer are in eval mode here: each pseudo-image has its own
        posterior, independent of the batch, and running statistics do not change.
        """
        with _as_in_evaluation(self.encoder, self.latent):
            return self.latent.root(self.encoder(self.normalise(images)))

    def forward(self, x: Tensor, noise: Noise, samples: int = 1) -> Scored:
        """Compute the per-image terms of integer images x (B, C, H, W), with ``samples`` samples of z each.

        :raises ValueError: for images of another shape than the model's
        """
        image = self.image
        due = (image.channels, image.height, image.width)
        if x.shape[1:] != due:
            raise ValueError(f"images of shape {tuple(x.shape[1:])} were given to a model of images {due}")
        features = self.encoder(self.normalise(x))
        if samples > 1:
            features = tuple(f.repeat_interleave(samples, 0) for f in features)
            x = x.repeat_interleave(samples, 0)
        walk = self.latent.walk(features, Infer(), self.prior, noise, len(x))
        log_p = self.output.log_prob(self.decoder(walk.features, x), x)
        return Scored(-log_p.reshape(-1, samples).T, walk.terms)

    def evaluating(self) -> AbstractContextManager[None]:
        """The model in evaluation mode for a while; every module's mode is put back."""
        return _as_in_evaluation(self)

    def begin(self, images: Tensor, labels: Tensor | None) -> None:
        """Show the training images to every component, once, before training from scratch."""
        for part in self.parts:
            part.begin(images, labels)

    def loss(
        self, x: Tensor, noise: Noise, progress: Progress, labels: Tensor | None = None
    ) -> tuple[Tensor, Scored]:
        """Compute the loss of a training step: the objective's mean over images, plus all penalties."""
        scored = self(x, noise, self.objective.samples)
        per_image = self.objective(scored, progress)
        for penalty in scored.penalties().values():
            per_image = per_image + penalty.mean(0)
        loss = per_image.mean()
        for part in self.parts:
            for penalty in part.penalties(progress).values():
                loss = loss + penalty
        return loss, scored

    def after_step(self) -> None:
        """Let every component commit its running statistics; call it once after every optimiser step."""
        for part in self.parts:
            part.after_step()

    def infer(self, x: Tensor, noise: Noise) -> Walk:
        """Infer the latents of integer images x: a walk with z ~ q(z|x)."""
        return self.latent.walk(self.encoder(self.normalise(x)), Infer(), self.prior, noise, len(x))

    def sample(
        self, count: int, noise: Noise | None = None, temperature: float = 1.0, labels: Tensor | None = None
    ) -> Tensor:
        """Draw images x ~ p(x|z), z ~ p(z): integers (count, C, H, W) in 0 .. levels-1.

        :param noise: by default from torch's global generator
        :param labels: (count,) classes, for a prior that is conditioned on them
        """
        noise = noise or TorchNoise()
        source: Source = Generate(temperature)
        if labels is not None:
            root = self.prior.at(0, Context(count, (), noise, labels))
            assert root is not None, "a prior with classes covers the root"
            source = Given([root.sample(noise, temperature)], temperature)
        walk = self.latent.walk(None, source, self.prior, noise, count)
        return self.decoder.sample(walk.features, self.output, noise)

    def reconstruct(self, x: Tensor, noise: Noise | None = None) -> Tensor:
        """Compute the mean E[x|z], z ~ q(z|x), of integer images x (B, C, H, W): reals in 0 .. levels-1.

        :param noise: by default from torch's global generator
        """
        noise = noise or TorchNoise()
        return self.decoder.mean(self.infer(x, noise).features, self.output, noise)
