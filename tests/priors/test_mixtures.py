"""Mixture priors: their density, their draws, and the mixture of posteriors at pseudo-images."""

import copy
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from vaebench.contracts import Context, Encoder, Group, ImageShape, Infer, Latent, Level, Progress
from vaebench.decoders.conv import Conv as ConvDecoder
from vaebench.distributions import DiagonalNormal, Distribution, kl
from vaebench.encoders.conv import Conv
from vaebench.errors import UsageError
from vaebench.latents.gaussian import Gaussian
from vaebench.latents.topdown import TopDown
from vaebench.likelihoods.logistic import Logistic
from vaebench.model import Vae
from vaebench.noise import ImageNoise, TorchNoise
from vaebench.objectives.elbo import Elbo
from vaebench.priors import mixture
from vaebench.priors.mixture import NormalMixture
from vaebench.priors.mog import Mog
from vaebench.priors.normal import Normal
from vaebench.priors.vamp import Vamp
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint

from ..fakes.reals import FlowPosterior

IMAGE = ImageShape(1, 8, 8, 17)
FALSE_ALARM = 1e-6
"""How often, over seeds, a statistical law here would fail a correct sampler."""


@st.composite
def mixtures(draw: st.DrawFn, dims: int | None = None, batch: int = 5) -> NormalMixture:
    torch.manual_seed(draw(st.integers(0, 10_000)))
    count = draw(st.integers(1, 6))
    shape = (dims,) if dims else tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)))
    location = draw(st.sampled_from([0.1, 1.0, 4.0])) * torch.randn(count, *shape, dtype=torch.float64)
    log_std = torch.empty(count, *shape, dtype=torch.float64).uniform_(math.log(0.2), math.log(2.0))
    logits = torch.randn(count, dtype=torch.float64) if draw(st.booleans()) else None
    return NormalMixture(DiagonalNormal(location, log_std), batch, logits)


def weights(p: NormalMixture) -> list[float]:
    count = len(p.components.location)
    if p.logits is None:
        return [1 / count] * count
    powers = [math.exp(logit) for logit in p.logits.tolist()]
    return [power / sum(powers) for power in powers]


@given(mixtures())
def test_the_density_is_the_weighted_sum_of_its_components(p: NormalMixture) -> None:
    z = 3 * torch.randn(5, *p.components.location.shape[1:], dtype=torch.float64)
    each = [
        math.log(w) + torch.distributions.Normal(m, s.exp()).log_prob(z).flatten(1).sum(1)
        for w, m, s in zip(weights(p), p.components.location, p.components.log_std, strict=True)
    ]
    assert torch.allclose(p.log_prob(z), torch.stack(each).logsumexp(0), rtol=1e-10, atol=1e-10)


def gradients(p: NormalMixture, z: Tensor) -> list[Tensor]:
    inputs = [z, p.components.location, p.components.log_std]
    for tensor in inputs:
        tensor.requires_grad_()
    value = p.log_prob(z)
    return [value.detach(), *torch.autograd.grad(value.sum(), inputs)]


class Largest(TorchDispatchMode):
    """Remembers how many numbers the largest tensor made has."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, (tuple, list)) else [out]:
            if isinstance(tensor, Tensor) and not func.is_view:
                self.numbers = max(self.numbers, tensor.numel())
        return out


@given(mixtures(dims=7, batch=4), st.integers(1, 200))
def test_splitting_changes_memory_and_nothing_else(p: NormalMixture, largest: int) -> None:
    z = torch.randn(4, 7, dtype=torch.float64)
    whole = gradients(p, z)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mixture, "LARGEST", largest)
        split = gradients(p, z)
        with Largest() as seen:
            p.log_prob(z)
    assert all(torch.allclose(a, b, rtol=1e-10, atol=1e-12) for a, b in zip(whole, split, strict=True))
    assert seen.numbers <= max(largest, z.numel(), p.components.location.numel(), 4 * 6)


@given(st.integers(0, 1000))
def test_float32_keeps_its_digits_far_from_the_origin(seed: int) -> None:
    torch.manual_seed(seed)
    location = 1000 + torch.randn(5, 3)
    exact = DiagonalNormal(location.double(), torch.full((5, 3), -3.0).double())
    z = location[:2] + 0.05 * torch.randn(2, 3)
    found = NormalMixture(DiagonalNormal(location, torch.full((5, 3), -3.0)), 2).log_prob(z)
    assert torch.allclose(found.double(), NormalMixture(exact, 2).log_prob(z.double()), rtol=1e-5, atol=1e-5)
    assert NormalMixture(DiagonalNormal(location.bfloat16(), location.bfloat16()), 2).log_prob(z).dtype == (
        torch.float32
    )


@given(mixtures(dims=1))
def test_the_density_integrates_to_one_on_the_line(p: NormalMixture) -> None:
    z = torch.linspace(-40, 40, 4001, dtype=torch.float64)
    assert abs(torch.trapezoid(p.log_prob(z[:, None]).exp(), z).item() - 1) < 1e-9


@given(mixtures(dims=2))
@settings(max_examples=15)
def test_the_density_integrates_to_one_on_the_plane(p: NormalMixture) -> None:
    axis = torch.linspace(-30, 30, 401, dtype=torch.float64)
    z = torch.cartesian_prod(axis, axis)
    density = p.log_prob(z).exp().view(401, 401)
    assert abs(torch.trapezoid(torch.trapezoid(density, axis), axis).item() - 1) < 1e-6


@given(mixtures(dims=1, batch=4000))
@settings(max_examples=20)
def test_draws_follow_the_density(p: NormalMixture) -> None:
    """Kolmogorov-Smirnov of 4,000 draws against the mixture's distribution function."""
    z = p.sample(TorchNoise()).flatten().numpy()
    parts = list(
        zip(weights(p), p.components.location.flatten(), p.components.log_std.flatten(), strict=True)
    )

    def cdf(x):  # type: ignore[no-untyped-def]
        return sum(w * stats.norm.cdf(x, m.item(), s.exp().item()) for w, m, s in parts)

    assert stats.kstest(z, cdf).pvalue > FALSE_ALARM


@given(mixtures(dims=3, batch=5000), st.floats(0.0, 2.0))
@settings(max_examples=20)
def test_draws_have_the_mean_and_a_spread_by_temperature(p: NormalMixture, temperature: float) -> None:
    z = p.sample(TorchNoise(), temperature)
    w = torch.tensor(weights(p), dtype=torch.float64)[:, None]
    mean = (w * p.components.location).sum(0)
    variance = (
        w * ((temperature * p.components.log_std.exp()) ** 2 + (p.components.location - mean) ** 2)
    ).sum(0)
    assert torch.allclose(p.mean, mean.expand(5000, 3))
    assert ((z.mean(0) - mean).abs() <= 6 * (variance / 5000).sqrt() + 1e-9).all()
    squares = (z - mean).square()
    assert ((squares.mean(0) - variance).abs() <= 6 * squares.std(0) / 5000**0.5 + 1e-9).all()


@given(st.integers(1, 12), st.integers(0, 1000))
@settings(max_examples=20)
def test_components_are_drawn_uniformly(count: int, seed: int) -> None:
    """Chi-square of how often each of K far components is drawn."""
    torch.manual_seed(seed)
    p = NormalMixture(DiagonalNormal(100.0 * torch.arange(count)[:, None], torch.zeros(count, 1)), 3000)
    drawn = (p.sample(TorchNoise()).flatten() / 100).round().long().bincount(minlength=count)
    assert len(drawn) == count
    assert count == 1 or stats.chisquare(drawn.numpy()).pvalue > FALSE_ALARM


class NormedEncoder(Encoder):
    """Convolution, batch norm with running statistics, and dropout."""

    def __init__(self, image: ImageShape) -> None:
        super().__init__()
        self.levels = (Level(4, image.height // 2, image.width // 2),)
        self.conv = nn.Conv2d(image.channels, 4, 2, stride=2)
        self.norm = nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return (nn.functional.dropout(self.norm(self.conv(x)), 0.5, self.training),)


def vamp(
    encoder: type[Encoder] = Conv,
    latent: type[Latent] = Gaussian,
    image: ImageShape = IMAGE,
    components: int = 3,
    start: str = "normal",
    prior: type | None = None,
) -> Vae:
    made = encoder(image, **({"width": 6} if encoder is Conv else {}))
    layer = latent(made.levels, image, **({"dim": 2} if latent is Gaussian else {"z_channels": 2}))
    given_prior = prior(layer.groups, image) if prior else None
    return Vae(
        image,
        made,
        layer,
        given_prior
        or Vamp(layer.groups, image, components=components, start=start, start_mean=0.5, start_std=0.4),
        ConvDecoder(layer.out, image, width=6),
        Logistic(image),
        Elbo(layer.groups, image),
    ).double()


def integers(count: int, image: ImageShape = IMAGE) -> Tensor:
    size = (count, image.channels, image.height, image.width)
    return torch.randint(0, image.levels, size, dtype=torch.uint8)


def at_root(model: Vae, batch: int) -> Distribution:
    p = model.prior.at(0, Context(batch, (), TorchNoise()))
    assert p is not None
    return p


@pytest.mark.parametrize("latent", [Gaussian, TopDown])
@given(seed=st.integers(0, 1000), components=st.integers(1, 5))
@settings(max_examples=10)
def test_the_root_is_the_mixture_of_root_posteriors(latent: type[Latent], seed: int, components: int) -> None:
    torch.manual_seed(seed)
    model = vamp(latent=latent, components=components).eval()
    x = integers(4)
    walk = model.latent.walk(model.encoder(model.normalise(x)), Infer(), model.prior, TorchNoise(), 4)
    root = walk.terms[0]
    each = []
    for u in model.prior.pseudo_images().split(1):
        q = model.latent.root(model.encoder((u - 8) / 8))
        each.append(
            DiagonalNormal(q.location.expand_as(root.z), q.log_std.expand_as(root.z)).log_prob(root.z)
        )
    assert torch.allclose(
        root.p.log_prob(root.z), torch.stack(each).logsumexp(0) - math.log(components), rtol=1e-9
    )
    below = vamp(latent=latent, prior=Normal)
    below.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("prior")})
    replayed = below.eval()(x, ImageNoise(seed, torch.arange(4))).terms
    whole = model(x, ImageNoise(seed, torch.arange(4))).terms
    assert len(whole) == len(replayed)
    for term, other in zip(whole[1:], replayed[1:], strict=True):
        assert torch.equal(term.p.log_prob(term.z), other.p.log_prob(other.z)), (
            "below the root: the layer's own"
        )


@given(st.integers(0, 1000))
@settings(max_examples=10)
def test_one_pseudo_image_is_that_images_posterior(seed: int) -> None:
    torch.manual_seed(seed)
    model = vamp(components=1)
    x = integers(1)
    with torch.no_grad():
        model.prior.free.copy_(x / 16)
    q = model.root_posterior(x)
    p = at_root(model, 1)
    z = torch.randn(1, 2, 1, 1, dtype=torch.float64)
    assert torch.allclose(p.log_prob(z), q.log_prob(z), rtol=1e-12)
    assert torch.allclose(model(x, TorchNoise()).kl(), torch.zeros(1, 1, 1).double(), atol=1e-9)


@given(st.integers(2, 256), st.floats(-3, 3), st.floats(0, 3))
def test_pseudo_images_are_images(levels: int, mean: float, std: float) -> None:
    image = ImageShape(3, 2, 4, levels)
    prior = Vamp((Group("z", (2,)),), image, components=4, start_mean=mean, start_std=std)
    u = prior.pseudo_images()
    assert u.shape == (4, 3, 2, 4)
    assert 0 <= u.min() <= u.max() <= levels - 1
    inside = (prior.free > 0) & (prior.free < 1)
    assert torch.allclose(u[inside], prior.free[inside] * (levels - 1))


@given(st.integers(1, 8), st.integers(1, 12), st.sampled_from([2, 17, 256]), st.integers(0, 1000))
def test_it_begins_at_images_of_the_data(components: int, count: int, levels: int, seed: int) -> None:
    """Within five of its standard deviations, and each image as often as any other, up to one."""
    torch.manual_seed(seed)
    image = ImageShape(1, 6, 6, levels)
    prior = Vamp((Group("z", (2,)),), image, components=components)
    images = integers(count, image)
    prior.begin(images, None)
    apart = (prior.free[:, None] - images[None] / (levels - 1)).abs().flatten(2).amax(2)
    nearest = apart.argmin(1)
    assert apart.amin(1).max() < 0.06
    assert apart.amin(1).min() > 0, "no two starts are the same image without noise"
    used = torch.zeros(count).index_add(0, nearest, torch.ones(components))
    same = torch.cdist(images.flatten(1).double(), images.flatten(1).double()) == 0
    if same.sum() == count:
        assert used.max() - used.min() <= 1
    before = Vamp((Group("z", (2,)),), image, start="normal", components=components)
    kept = before.free.clone()
    before.begin(images, None)
    assert torch.equal(before.free, kept), "a normal start looks at no image"


@pytest.mark.parametrize("latent", [Gaussian, TopDown])
def test_gradient_reaches_every_pseudo_image(latent: type[Latent]) -> None:
    model = vamp(latent=latent, components=5)
    with torch.no_grad():
        model.prior.free.clamp_(0.2, 0.8)
    loss, _ = model.loss(integers(6), TorchNoise(), Progress(5, 10))
    loss.backward()
    assert (model.prior.free.grad.flatten(1).abs().sum(1) > 0).all()


@given(st.integers(0, 1000), st.booleans())
@settings(max_examples=10)
def test_running_statistics_are_those_of_the_images_alone(seed: int, frozen: bool) -> None:
    torch.manual_seed(seed)
    model = vamp(NormedEncoder).train()
    model.encoder.norm.train(not frozen)
    alone = copy.deepcopy(model.encoder)
    x = integers(6)
    alone(model.normalise(x))
    loss, _ = model.loss(x, TorchNoise(), Progress(1, 2))
    loss.backward()
    for name, value in alone.named_buffers():
        assert torch.equal(value, model.encoder.get_buffer(name)), name
    assert model.encoder.training
    assert model.encoder.norm.training is not frozen, "every module's mode is put back"
    one, two = model.prior.pseudo_images()[:1], model.prior.pseudo_images()
    q, both = model.root_posterior(one), model.root_posterior(two)
    assert torch.allclose(q.location, both.location[:1]), "each pseudo-image alone"


def test_modes_are_put_back_after_a_failure() -> None:
    model = vamp(NormedEncoder).train()
    with pytest.raises(RuntimeError):
        model.root_posterior(torch.zeros(1, 7, 8, 8))
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("prior", [None, Mog])
def test_it_survives_saving_and_copies_follow_their_own_encoder(prior: type | None, tmp_path: Path) -> None:
    model = vamp(prior=prior, start="data").eval()
    model.prior.begin(integers(9), None)
    z = torch.randn(4, 2, 1, 1, dtype=torch.float64)
    expected = at_root(model, 4).log_prob(z)
    checkpoint.save(tmp_path / "w", Checkpoint({"model": model.state_dict()}, {}))
    again = vamp(prior=prior).eval()
    again.load_state_dict(checkpoint.load(tmp_path / "w").tensors["model"])
    assert torch.equal(at_root(again, 4).log_prob(z), expected)
    twin = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    assert torch.equal(at_root(twin, 4).log_prob(z), expected)
    assert not torch.allclose(at_root(model, 4).log_prob(z), expected)


def test_a_posterior_that_is_not_normal_is_refused_in_one_line() -> None:
    prior = Vamp((Group("z", (2, 1, 1)),), IMAGE, components=2)
    zeros = torch.zeros(2, 2, 1, 1)
    prior.bind(lambda u: FlowPosterior(DiagonalNormal(zeros, zeros), torch.ones(())))
    with pytest.raises(UsageError, match="prior=vamp needs normal posteriors"):
        prior.at(0, Context(1, (), TorchNoise()))


@given(st.floats(0.01, 0.99), st.sampled_from(["uniform", "learned"]), st.integers(0, 1000))
@settings(max_examples=20)
def test_a_free_mixture_starts_as_wide_as_the_standard_normal(spread: float, kind: str, seed: int) -> None:
    torch.manual_seed(seed)
    prior = Mog((Group("z", (40,)),), IMAGE, components=50, start_spread=spread, weights=kind).double()
    p = prior.at(0, Context(4, (), TorchNoise()))
    assert isinstance(p, NormalMixture)
    second = (p.components.location.square() + (2 * p.components.log_std).exp()).mean()
    assert abs(second.item() - 1) < 6 * math.sqrt(2 / 2000), "E z² = 1"
    assert torch.allclose(p.log_weights.exp().double(), torch.full((50,), 0.02).double())
    assert prior.at(1, Context(4, (), TorchNoise())) is None
    q = DiagonalNormal(torch.zeros(4, 40).double(), torch.zeros(4, 40).double())
    kl(q, p, q.sample(TorchNoise())).mean().backward()
    assert all(t.grad is not None and t.grad.abs().sum() > 0 for t in prior.parameters())
    assert (prior.logits is not None) == (kind == "learned")
