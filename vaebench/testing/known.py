"""Linear-Gaussian models, whose evidence p(x) has a closed form."""

import torch
from torch import Tensor, nn

from vaebench.contracts import Decoder, Encoder, ImageShape, Level, Likelihood
from vaebench.latents.gaussian import Gaussian
from vaebench.maths import gaussian
from vaebench.model import Vae
from vaebench.noise import Noise
from vaebench.objectives.elbo import Elbo
from vaebench.priors.normal import Normal


class Pixels(Encoder):
    """Normalised pixels as one vector."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.levels = (Level(image.dims, 1, 1),)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (x.flatten(1)[:, :, None, None],)


class Linear(Decoder):
    """Wz + b as an image of one row."""

    width = 1

    def __init__(self, levels: tuple[Level, ...], image: ImageShape) -> None:
        super().__init__()
        self.map = nn.Linear(levels[0].channels, image.dims)

    def head(self, likelihood: Likelihood) -> nn.Module:
        return nn.Identity()

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        return self.map(features[0].flatten(1))[:, None, None, :]


class UnitNormalDensity(Likelihood):
    """log N(x; params, 1), a density for models whose evidence has a closed form; never bits/dim."""

    channels = 1

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return gaussian.log_density(x.to(params.dtype), params, torch.zeros_like(params))

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        raise NotImplementedError

    def mean(self, params: Tensor) -> Tensor:
        return params


def linear_gaussian(dims: int, latents: int, seed: int) -> Vae:
    """Build x = Wz + b + ε with standard normal z and ε and an arbitrary posterior; float64, in eval mode."""
    torch.manual_seed(seed)
    image = ImageShape(1, 1, dims, 9)
    encoder = Pixels(image)
    latent = Gaussian(encoder.levels, image, dim=latents)
    parts = (encoder, latent, Normal(latent.groups, image), Linear(latent.out, image))
    return Vae(image, *parts, UnitNormalDensity(image), Elbo(latent.groups, image)).double().eval()


def evidence(model: Vae, x: Tensor) -> Tensor:
    """Compute log p(x) = log N(x; b, WWᵀ + I), (N,)."""
    assert isinstance(model.decoder, Linear)
    w, b = model.decoder.map.weight, model.decoder.map.bias
    covariance = w @ w.T + torch.eye(len(b))
    return torch.distributions.MultivariateNormal(b, covariance).log_prob(x.flatten(1).double()).detach()


def use_exact_posterior(model: Vae) -> None:
    """Set q to the true posterior, which is diagonal where W has orthogonal columns."""
    assert isinstance(model.decoder, Linear)
    assert isinstance(model.latent, Gaussian)
    w, b = model.decoder.map.weight, model.decoder.map.bias
    with torch.no_grad():
        w.copy_(torch.linalg.qr(w)[0] * torch.linspace(0.5, 2, w.shape[1]))
        precision = 1 + w.square().sum(0)
        gain = w.T / precision[:, None]
        moments = model.latent.moments
        assert moments.bias is not None
        size = len(precision)
        moments.weight.zero_()
        moments.weight[:size, :, 0, 0] = gain * model.scale
        moments.bias[:size] = gain @ (model.shift - b)
        moments.bias[size:] = -0.5 * precision.log()
