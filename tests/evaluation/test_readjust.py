"""Batch-norm statistics after readjusting are those of the samples, at their temperature."""

import pytest
import torch
from torch import Tensor, nn

from vaebench.contracts import Decoder, Encoder, ImageShape, Level
from vaebench.errors import UsageError
from vaebench.evaluation.readjust import IMAGES, readjusted
from vaebench.latents.gaussian import Gaussian
from vaebench.likelihoods.bernoulli import Bernoulli
from vaebench.model import Vae
from vaebench.objectives.elbo import Elbo
from vaebench.priors.normal import Normal
from vaebench.training.checkpoint import weights_sha256

IMAGE = ImageShape(1, 2, 2, 2)
PASSES = 30


class NormedEncoder(Encoder):
    levels = (Level(1, 2, 2),)

    def __init__(self, normed: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1) if normed else nn.Identity()

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (self.norm(x),)


class NormedDecoder(Decoder):
    """z repeated over the image, normalised: the running statistics are those of z itself."""

    width = 3

    def __init__(self, normed: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3, momentum=0.05) if normed else nn.Identity()

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        return self.norm(features[0].expand(-1, -1, 2, 2))


def made(normed: bool = True) -> Vae:
    latent = Gaussian(NormedEncoder.levels, IMAGE, dim=3)
    prior = Normal(latent.groups, IMAGE)
    model = Vae(
        IMAGE,
        NormedEncoder(normed),
        latent,
        prior,
        NormedDecoder(normed),
        Bernoulli(IMAGE),
        Elbo(latent.groups, IMAGE),
    )
    for m in model.modules():
        if isinstance(m, nn.BatchNorm2d) and m.running_mean is not None:
            m.running_mean.fill_(2.0)
    return model.eval()


@pytest.mark.parametrize("temperature", [1.0, 0.5, 0.1])
def test_statistics_are_those_of_the_samples(temperature: float) -> None:
    model = made()
    before = weights_sha256(model.state_dict())
    other = readjusted(model, PASSES, temperature)
    norm = other.decoder.norm
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    spread = temperature / (IMAGES * PASSES) ** 0.5
    assert norm.running_mean.abs().max() < 5 * spread
    assert (norm.running_var.sqrt() / temperature - 1).abs().max() < 0.1
    assert norm.momentum == 0.05
    assert not any(m.training for m in other.modules())
    assert weights_sha256(model.state_dict()) == before, "the model itself stays as it was"


def test_layers_that_sampling_does_not_visit_keep_theirs() -> None:
    model = made()
    other = readjusted(model, 2, 0.7)
    ours, theirs = model.encoder.norm.state_dict(), other.encoder.norm.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_the_seed_decides() -> None:
    model = made()
    same, again, another = (
        weights_sha256(readjusted(model, 2, 0.7, seed).state_dict()) for seed in (0, 0, 1)
    )
    assert same == again != another


def test_without_batch_normalisation_it_is_refused() -> None:
    model = made(normed=False)
    with pytest.raises(UsageError, match="no batch normalisation"):
        readjusted(model, 2, 0.7)
