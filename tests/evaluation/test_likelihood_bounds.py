"""The estimators against models of known evidence: linear-Gaussian, and tiny discrete by enumeration."""

import itertools
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vaebench.contracts import Decoder, Encoder, ImageShape, Level, Likelihood
from vaebench.decoders.mlp import Mlp as MlpDecoder
from vaebench.encoders.mlp import Mlp
from vaebench.evaluation.likelihood import bounds, score
from vaebench.latents.gaussian import Gaussian
from vaebench.likelihoods.bernoulli import Bernoulli
from vaebench.maths import gaussian
from vaebench.model import Vae
from vaebench.noise import Noise
from vaebench.objectives.elbo import Elbo
from vaebench.priors.normal import Normal

from ..fakes.codes import CodePrior, FlatCodes


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

    def head(self, channels: int) -> nn.Module:
        return nn.Identity()

    def forward(self, features: tuple[Tensor, ...], x: Tensor | None) -> Tensor:
        return self.map(features[0].flatten(1))[:, None, None, :]


class UnitNormalDensity(Likelihood):
    """log N(x; params, 1): a density, for a model whose evidence is a formula; never bits/dim."""

    channels = 1

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return gaussian.log_density(x.to(params.dtype), params, torch.zeros_like(params))

    def sample(self, params: Tensor, noise: Noise) -> Tensor:
        raise NotImplementedError

    def mean(self, params: Tensor) -> Tensor:
        return params


def linear_gaussian(dims: int, latents: int) -> Vae:
    image = ImageShape(1, 1, dims, 9)
    encoder = Pixels(image)
    latent = Gaussian(encoder.levels, image, dim=latents)
    model = Vae(
        image,
        encoder,
        latent,
        Normal(latent.groups, image),
        Linear(latent.out, image),
        UnitNormalDensity(image),
        Elbo(latent.groups, image),
    )
    return model.double().eval()


def evidence(model: Vae, x: Tensor) -> Tensor:
    """log N(x; b, WWᵀ + I), (N,)."""
    assert isinstance(model.decoder, Linear)
    w, b = model.decoder.map.weight, model.decoder.map.bias
    covariance = w @ w.T + torch.eye(len(b))
    return torch.distributions.MultivariateNormal(b, covariance).log_prob(x.flatten(1).double())


def use_exact_posterior(model: Vae) -> None:
    """Set q to the true posterior, which is diagonal where W has orthogonal columns."""
    assert isinstance(model.decoder, Linear)
    w, b = model.decoder.map.weight, model.decoder.map.bias
    with torch.no_grad():
        w.copy_(torch.linalg.qr(w)[0] * torch.linspace(0.5, 2, w.shape[1]))
        precision = 1 + w.square().sum(0)
        gain = w.T / precision[:, None]
        moments = model.latent.moments
        size = len(precision)
        moments.weight.zero_()
        moments.weight[:size, :, 0, 0] = gain * model.scale
        moments.bias[:size] = gain @ (model.shift - b)
        moments.bias[size:] = -0.5 * precision.log()


@given(dims=st.integers(1, 4), latents=st.integers(1, 3), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_elbo_below_iwae_below_evidence(dims: int, latents: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = linear_gaussian(dims, latents)
    x = torch.randint(0, 9, (1, 1, 1, dims)).expand(400, -1, -1, -1)
    exact = evidence(model, x)[0].item()
    few, many = bounds(model, x, 1, 4000), bounds(model, x, 64, 25600)

    def mean_and_error(values: Tensor) -> tuple[float, float]:
        return values.mean().item(), 5 * values.std().item() / math.sqrt(len(values)) + 1e-9

    elbo, elbo_error = mean_and_error(few.elbo)
    iwae, iwae_error = mean_and_error(many.iwae)
    assert elbo <= iwae + elbo_error + iwae_error
    # p(x) itself is estimated without bias, so exceeding it k-fold has probability at most 1/k (Markov).
    assert many.iwae.max().item() <= exact + math.log(400 * 1e6)
    assert iwae <= exact + iwae_error
    assert abs(many.elbo.mean().item() - elbo) <= elbo_error + 1e-9


@given(dims=st.integers(2, 5), latents=st.integers(1, 2), seed=st.integers(0, 10**6))
@settings(max_examples=25)
def test_with_the_true_posterior_every_bound_is_the_evidence(dims: int, latents: int, seed: int) -> None:
    torch.manual_seed(seed)
    model = linear_gaussian(dims, latents)
    use_exact_posterior(model)
    x = torch.randint(0, 9, (5, 1, 1, dims))
    found = bounds(model, x, 7, 35)
    assert torch.allclose(found.iwae, evidence(model, x), rtol=1e-9)
    elbo_mean = bounds(model, x.repeat_interleave(2000, 0), 1, 10000).elbo.view(5, 2000)
    error = elbo_mean.std(1) / math.sqrt(2000)
    assert ((elbo_mean.mean(1) - evidence(model, x)).abs() <= 6 * error + 1e-9).all()


def test_iwae_converges_to_the_evidence() -> None:
    torch.manual_seed(3)
    model = linear_gaussian(3, 2)
    use_exact_posterior(model)
    with torch.no_grad():
        model.latent.moments.bias.add_(0.7)  # too far, and too wide: no sample's weight is unbounded
    x = torch.randint(0, 9, (20, 1, 1, 3))
    exact = evidence(model, x).mean().item()
    gaps = [exact - bounds(model, x, k, 20 * k).iwae.mean().item() for k in (1, 30, 3000)]
    assert gaps[0] > gaps[1] > gaps[2] > -0.02
    assert gaps[2] < 0.05 * gaps[0]


@pytest.mark.parametrize("rows", [1, 3, 10, 64, 1000])
def test_rows_at_a_time_change_rounding_only(rows: int) -> None:
    torch.manual_seed(0)
    image = ImageShape(1, 4, 4, 2)
    encoder = Mlp(image, hidden=8)
    latent = Gaussian(encoder.levels, image, dim=3)
    parts = (encoder, latent, Normal(latent.groups, image), MlpDecoder(latent.out, image, hidden=8))
    model = Vae(image, *parts, Bernoulli(image), Elbo(latent.groups, image)).eval()
    x = torch.randint(0, 2, (11, 1, 4, 4), dtype=torch.uint8)
    whole, parted = bounds(model, x, 6, 10**6), bounds(model, x, 6, rows)
    for a, b in zip(
        (whole.iwae, whole.elbo, whole.rates), (parted.iwae, parted.elbo, parted.rates), strict=True
    ):
        assert torch.allclose(a, b, rtol=1e-5)
    assert len(parted.iwae) == 11


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
    found = score(model, every, 1, 100, 0)
    assert found.bound == "two-part"
    per_image = bounds(model, every, 1, 100).iwae
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
    bounds(model, x, samples, rows, see=lambda scored, k: seen.append(scored.terms[0].z[::k]))
    chosen = model.infer(x, None).terms[0].z  # type: ignore[arg-type]
    assert torch.equal(torch.cat(seen), chosen)
    found = score(model, x, samples, rows, 0)
    counts = torch.bincount(chosen.flatten(), minlength=3).double()
    entropy = -torch.special.xlogy(counts / 13, counts / 13).sum().item()
    assert found.perplexity == {"codes": pytest.approx(math.exp(entropy), rel=1e-12)}
    assert found.active_units == {"codes": int((counts > 0).sum())}
    assert not score(linear_gaussian(2, 1), x[:, :, :1], 2, 50, 0).perplexity


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
        bounds(model, torch.randint(0, 2, (3, 1, 2, 2)), 1)
        assert inside == [(True, False, False, "highest")]
        assert told() == outside == (False, True, True, "high")
    finally:
        torch.set_float32_matmul_precision("highest")
