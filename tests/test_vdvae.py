"""``enc=vdvae`` and what it suggests, against the very deep VAE's reference vectors."""

import itertools
import math

import pytest
import torch
from torch import Tensor

from tests import golden
from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import Generate, ImageShape, Infer
from vaebench.datasets.splits import quantise
from vaebench.distributions import DiagonalNormal
from vaebench.errors import UsageError
from vaebench.likelihoods.logistic_mixture import LogisticMixture
from vaebench.maths import gaussian
from vaebench.noise import GivenNoise, ImageNoise
from vaebench.priors.own import Own


def close(found: Tensor, expected: Tensor) -> None:
    assert found.shape == expected.shape
    assert (found - expected).abs().max() < 1e-10


@pytest.mark.parametrize("name", golden.NAMES)
@pytest.mark.parametrize("recompute", [False, True])
def test_reference_vectors(name: str, recompute: bool) -> None:
    """Latents, every KL, last map, logits, NLL, rate and ELBO to 1e-10, through the composed model."""
    file = golden.read(name)
    model, vectors = file.model(), file.tensors
    for part in model.parts:
        part.recompute = recompute
    assert isinstance(model.prior, Own)
    count = len(model.latent.groups)
    noise = GivenNoise([vectors[f"posterior/{i}/eps"] for i in range(count)])
    seen = vectors["x_nhwc"].permute(0, 3, 1, 2)
    walk = model.latent.walk(model.encoder(seen), Infer(), model.prior, noise, len(seen))
    for i, term in enumerate(walk.terms):
        assert isinstance(term.q, DiagonalNormal)
        assert isinstance(term.p, DiagonalNormal)
        kl = gaussian.kl(term.q.location, term.q.log_std, term.p.location, term.p.log_std)
        close(term.z, vectors[f"posterior/{i}/z"])
        close(kl, vectors[f"posterior/{i}/kl"])
    last = model.decoder(walk.features, None)
    close(last, vectors["px_z"])
    close(model.output.parameters_of(last), vectors["logits_nhwc"].permute(0, 3, 1, 2))

    # The reference's input is normalised by its own data's shift and scale: find them from two pixels.
    x, dims = file.images, file.image.dims
    model.scale = (x.max() - x.min()) / (seen.max() - seen.min())
    model.shift = x.min() - seen.min() * model.scale
    noise = GivenNoise([vectors[f"posterior/{i}/eps"] for i in range(count)])
    scored = model(x, noise)
    close(scored.distortion[0] / dims, vectors["nll_per_dim"])
    close(scored.kl().sum(0)[0] / dims, vectors["rate_per_dim"])
    close(-scored.elbo() / dims, vectors["elbo_loss_per_dim"])


@pytest.mark.parametrize("name", golden.NAMES)
def test_unconditional_draws_at_temperature_0_8(name: str) -> None:
    file = golden.read(name)
    model, vectors = file.model(), file.tensors
    count = len(model.latent.groups)
    noise = GivenNoise([vectors[f"prior/{i}/eps"] for i in range(count)])
    drawn = model.latent.walk(None, Generate(0.8), model.prior, noise, len(vectors["prior/px_z"]))
    close(model.decoder(drawn.features, None), vectors["prior/px_z"])


def test_what_is_left_open_is_the_papers_and_what_cannot_stand_is_refused() -> None:
    def names(said: str) -> list[str]:
        found = resolve(parse(said), registry.load(), ImageShape(1, 8, 8))
        return [found.chosen[slot].registered.entry.name for slot in ("latent", "prior", "dec")]

    assert names("enc=vdvae") == ["topdown", "own", "vdvae"]
    assert names("enc=vdvae,prior=normal") == ["topdown", "normal", "vdvae"]
    assert names("enc=vdvae,latent=gaussian") == ["gaussian", "normal", "vdvae"]
    with pytest.raises(UsageError, match="prior=own does not fit latent=gaussian: it needs own-root;"):
        names("enc=vdvae,latent=gaussian,prior=own")


def test_five_bits_are_the_same_image_to_encoder_and_likelihood() -> None:
    """What differs in the lowest three bits alone is one image; a colour pixel's 32,768 values sum to one."""
    torch.manual_seed(0)
    stored = torch.randint(0, 256, (3, 3, 4, 4)).to(torch.uint8)
    other = (stored & 0b11111000) | torch.randint(0, 8, stored.shape).to(torch.uint8)
    image = ImageShape(3, 4, 4, 32)
    model = resolve(parse("enc=vdvae,enc.width=4"), registry.load(), image).build().eval()
    seen = [quantise(x, 256, 32) for x in (stored, other)]
    assert torch.equal(*seen)
    assert torch.equal(seen[0], stored >> 3)
    scores = [model(x, ImageNoise(0, torch.arange(3))).elbo() for x in seen]
    assert torch.equal(*scores)
    assert model.normalise(torch.arange(32)).tolist() == pytest.approx([2 * v / 31 - 1 for v in range(32)])

    likelihood = LogisticMixture(ImageShape(3, 1, 1, 32), components=3)
    params = 4 * torch.randn(1, likelihood.channels, 1, 1, dtype=torch.float64)
    every = torch.tensor(list(itertools.product(range(32), repeat=3)))[:, :, None, None]
    assert abs(likelihood.log_prob(params.expand(len(every), -1, -1, -1), every).logsumexp(0)) < 1e-9


def test_the_published_five_bit_bins_are_no_distribution() -> None:
    """The original's half-bins of 1/31 around levels 8/127.5 apart that end at 248/127.5 - 1: a witness."""
    levels = torch.arange(0, 256, 8, dtype=torch.float64) / 127.5 - 1

    def mass(mean: float, scale: float) -> float:
        upper, lower = (torch.sigmoid((levels - mean + half) / scale) for half in (1 / 31, -1 / 31))
        lower[0] = 0  # the first level is at its edge; the last, 0.945, is not beyond 0.999
        return (upper - lower).sum().item()

    assert mass(1.05, 1e-3) < 1e-6
    assert mass((levels[10] + levels[11]).item() / 2, math.exp(-7)) > 1.4
