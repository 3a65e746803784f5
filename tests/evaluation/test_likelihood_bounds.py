"""What the laws of ``bounds`` leave: tiny discrete models by enumeration, and standard errors."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vaebench.contracts import Group, ImageShape
from vaebench.decoders.mlp import Mlp as MlpDecoder
from vaebench.encoders.mlp import Mlp
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import bounds, default_samples, score
from vaebench.likelihoods.bernoulli import Bernoulli
from vaebench.model import Vae
from vaebench.objectives.elbo import Elbo
from vaebench.testing.known import evidence, linear_gaussian, use_exact_posterior

from ..fakes.codes import CodePrior, FlatCodes


@given(dims=st.integers(2, 5), latents=st.integers(1, 2), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_with_the_true_posterior_the_elbo_averages_to_the_evidence(
    dims: int, latents: int, seed: int
) -> None:
    model = linear_gaussian(dims, latents, seed)
    use_exact_posterior(model)
    x = torch.randint(0, 9, (5, 1, 1, dims))
    elbo_mean = bounds(model, x.repeat_interleave(2000, 0), 1, Draws(rows=10000)).elbo.view(5, 2000)
    error = elbo_mean.std(1) / math.sqrt(2000)
    assert ((elbo_mean.mean(1) - evidence(model, x)).abs() <= 6 * error + 1e-9).all()


def test_two_part_bound_is_the_joint_of_the_chosen_codes_and_below_the_evidence() -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 2, 2, 2)
    encoder = Mlp(image, hidden=6)
    latent = FlatCodes(encoder.levels, image)
    prior = CodePrior(latent.groups, image)
    nn.init.normal_(prior.logits[0])
    model = (
        Vae(
            image,
            encoder,
            latent,
            prior,
            MlpDecoder(latent.out, image, hidden=6),
            Bernoulli(image),
            Elbo(latent.groups, image),
        )
        .double()
        .eval()
    )
    every = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(-1, 1, 2, 2)
    joint = []
    for code in range(3):
        z = torch.full((16, 1, 1), code)
        log_p = prior.logits[0].log_softmax(1)[0, code, 0, 0]
        h = model.decoder((latent.quantiser.look_up(z),), None)
        joint.append(model.output.log_prob(h, every) + log_p)
    exact = torch.stack(joint).logsumexp(0)
    assert abs(exact.logsumexp(0).item()) < 1e-9
    found = score(model, every, 1, Draws(rows=100))
    assert found.bound == "two-part"
    per_image = bounds(model, every, 1, Draws(rows=100)).iwae
    assert (per_image <= exact + 1e-12).all()
    chosen = model.infer(every, None).terms[0].z.flatten()  # type: ignore[arg-type]
    picked = torch.stack(joint).gather(0, chosen[None])[0]
    assert torch.allclose(per_image, picked, rtol=1e-9)


def test_the_standard_error_covers_at_its_rate() -> None:
    """Means over 200 random halves of a known population lie within 1.96 standard errors 95% of the time."""
    torch.manual_seed(0)
    from vaebench.evaluation.likelihood import estimate

    population = torch.randn(400, 500, dtype=torch.float64) * 3 + 100
    inside = 0
    for sample in population:
        found = estimate(sample, 784)
        inside += abs(found.nats - 100) <= 1.96 * found.nats_se
        assert math.isclose(found.bits_per_dim, found.nats / (784 * math.log(2)), rel_tol=1e-12)
    assert abs(inside / 400 - 0.95) < 0.04


def codes_of_pixels() -> Vae:
    """Three codes for images of 2x2 binary pixels, each code some image's."""
    torch.manual_seed(0)
    image = ImageShape(1, 2, 2, 2)
    encoder = Mlp(image, hidden=6)
    latent = FlatCodes(encoder.levels, image)
    parts = (encoder, latent, CodePrior(latent.groups, image), MlpDecoder(latent.out, image, hidden=6))
    model = Vae(image, *parts, Bernoulli(image), Elbo(latent.groups, image)).double().eval()
    every = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(-1, 1, 2, 2)
    with torch.no_grad():
        e = latent.quantiser.project(model.encoder(model.normalise(every))[-1]).flatten(1)
        latent.quantiser.codebook.copy_(e[[0, 5, 15]])
    return model


@pytest.mark.parametrize("samples", [1, 4, 9])
@pytest.mark.parametrize("rows", [1, 3, 50])
def test_every_image_is_seen_once(samples: int, rows: int) -> None:
    model = codes_of_pixels()
    x = torch.randint(0, 2, (13, 1, 2, 2))
    seen: list[Tensor] = []
    bounds(model, x, samples, Draws(rows=rows), see=lambda scored, k: seen.append(scored.terms[0].z[::k]))
    chosen = model.infer(x, None).terms[0].z  # type: ignore[arg-type]
    assert torch.equal(torch.cat(seen), chosen)
    found = score(model, x, samples, Draws(rows=rows))
    counts = torch.bincount(chosen.flatten(), minlength=3).double()
    entropy = -torch.special.xlogy(counts / 13, counts / 13).sum().item()
    assert found.perplexity == {"codes": pytest.approx(math.exp(entropy), rel=1e-12)}
    assert found.active_units == {"codes": int((counts > 0).sum())}
    assert not score(linear_gaussian(2, 1, 0), x[:, :, :1], 2, Draws(rows=50)).perplexity


def test_scoring_computes_in_full_precision_and_leaves_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from torch.backends import cudnn

    def told() -> tuple[bool, bool, bool, str]:
        matmul = torch.get_float32_matmul_precision()
        return cudnn.deterministic, cudnn.benchmark, cudnn.allow_tf32, matmul

    model, inside = codes_of_pixels(), []
    model.encoder.register_forward_hook(lambda module, given, out: inside.append(told()))
    for name, value in (("deterministic", False), ("benchmark", True), ("allow_tf32", True)):
        monkeypatch.setattr(cudnn, name, value)
    torch.set_float32_matmul_precision("high")
    try:
        outside = told()
        bounds(model, torch.randint(0, 2, (3, 1, 2, 2)), 1, Draws())
        assert inside == [(True, False, False, "highest")]
        assert told() == outside == (False, True, True, "high")
    finally:
        torch.set_float32_matmul_precision("highest")


def test_the_default_k_is_that_of_the_protocol() -> None:
    """K = 100 for one group, 10 for several, 1 where z is certain: codes alone, or none."""
    real, codes = Group("z", (2, 1, 1)), Group("codes", (2, 2), 8)
    due = {(real,): 100, (real, real): 10, (real, codes): 10, (codes,): 1, (codes, codes): 1, (): 1}
    assert {groups: default_samples(groups) for groups in due} == due
