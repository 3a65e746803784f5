"""``enc=vdvae`` and what it suggests, against the very deep VAE's reference vectors."""

import pytest
from torch import Tensor

from tests import golden
from vaebench.contracts import Generate, Infer
from vaebench.distributions import DiagonalNormal
from vaebench.maths import gaussian
from vaebench.noise import GivenNoise
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
