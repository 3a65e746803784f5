"""Every row of compositions that the contracts must serve: scored, trained, sampled and replayed alike."""

import math

import pytest
import torch
from torch import nn

from vaebench.composing.resolve import check_fit
from vaebench.contracts import Component, Context, Given, ImageShape, Infer, Progress
from vaebench.decoders.conv import Conv as ConvDecoder
from vaebench.decoders.mlp import Mlp as MlpDecoder
from vaebench.distributions import kl
from vaebench.encoders.conv import Conv
from vaebench.encoders.mlp import Mlp
from vaebench.encoders.resnet import Resnet
from vaebench.errors import UsageError
from vaebench.evaluation import likelihood as scoring
from vaebench.evaluation.draws import Draws
from vaebench.latents.gaussian import Gaussian
from vaebench.latents.topdown import TopDown
from vaebench.likelihoods.logistic import Logistic
from vaebench.model import Vae
from vaebench.noise import ImageNoise, TorchNoise
from vaebench.objectives.elbo import Elbo
from vaebench.priors.normal import Normal
from vaebench.registry import Registry

from .fakes.codes import CodePrior, FlatCodes, TwoCodes
from .fakes.reals import FlowLatent, LearnedHierarchy, RowDecoder, Vamp

IMAGE = ImageShape(1, 8, 8, 17)
Row = tuple[type, type, type, type]
ROWS: dict[str, Row] = {
    "vectors": (Mlp, Gaussian, Normal, MlpDecoder),
    "a hierarchy": (Resnet, TopDown, Normal, ConvDecoder),
    "a prior of posteriors": (Conv, Gaussian, Vamp, ConvDecoder),
    "a prior of posteriors over a hierarchy": (Resnet, TopDown, Vamp, ConvDecoder),
    "codes with a prior": (Conv, FlatCodes, CodePrior, ConvDecoder),
    "codes on two levels": (Conv, TwoCodes, CodePrior, ConvDecoder),
    "an autoregressive decoder": (Mlp, Gaussian, Normal, RowDecoder),
    "a posterior flow": (Conv, FlowLatent, Normal, ConvDecoder),
    "a prior whose density is estimated": (Conv, Gaussian, LearnedHierarchy, ConvDecoder),
}


def build(row: Row) -> Vae:
    encoder_type, latent_type, prior_type, decoder_type = row
    encoder = encoder_type(IMAGE)
    latent = latent_type(encoder.levels, IMAGE)
    return Vae(
        IMAGE,
        encoder,
        latent,
        prior_type(latent.groups, IMAGE),
        decoder_type(latent.out, IMAGE),
        Logistic(IMAGE),
        Elbo(latent.groups, IMAGE),
    )


@pytest.fixture(params=ROWS.values(), ids=ROWS.keys())
def model(request: pytest.FixtureRequest) -> Vae:
    return build(request.param)


@pytest.fixture
def images() -> torch.Tensor:
    return torch.randint(0, 17, (6, 1, 8, 8), dtype=torch.uint8)


def noise(count: int, samples: int = 1, first: int = 0) -> ImageNoise:
    numbers = torch.arange(first, first + count).repeat_interleave(samples)
    return ImageNoise(0, numbers, torch.arange(samples).repeat(count))


def test_terms_are_per_image_and_finite(model: Vae, images: torch.Tensor) -> None:
    scored = model(images, noise(6, 3), 3)
    assert scored.distortion.shape == (3, 6)
    assert scored.kl().shape == (len(model.latent.groups), 3, 6)
    assert scored.log_weights().isfinite().all()
    for term in scored.terms:
        assert term.z.shape == (18, *term.group.shape)
        assert (term.z.dtype == torch.int64) == (term.group.codes is not None)


def test_an_image_scores_alike_in_any_batch(model: Vae, images: torch.Tensor) -> None:
    model = model.double().eval()
    whole = model(images, noise(6, 2), 2).log_weights()
    last = model(images[4:], noise(2, 2, first=4), 2).log_weights()
    assert torch.allclose(whole[:, 4:], last, rtol=1e-10)


def test_a_step_trains_every_part(model: Vae, images: torch.Tensor) -> None:
    if isinstance(model.prior, CodePrior):
        nn.init.normal_(model.prior.given)
    loss, _ = model.loss(images, TorchNoise(), Progress(1, 10))
    loss.backward()
    for name in ("encoder", "latent", "prior", "decoder", "output"):
        grads = [p.grad for p in getattr(model, name).parameters()]
        assert not grads or any(g is not None and g.abs().sum() > 0 for g in grads), name


def test_samples_are_images_and_belong_to_their_number(model: Vae) -> None:
    drawn = model.eval().sample(5, noise(5))
    assert drawn.shape == (5, 1, 8, 8)
    assert drawn.dtype == torch.int64
    assert 0 <= drawn.min() <= drawn.max() <= 16
    assert torch.equal(model.sample(2, noise(2, first=3)), drawn[3:])


def test_given_latents_replay_a_walk(model: Vae, images: torch.Tensor) -> None:
    model.eval()
    features = model.encoder(model.normalise(images))
    first = model.latent.walk(features, Infer(), model.prior, noise(6), 6)
    replay = model.latent.walk(None, Given([t.z for t in first.terms]), model.prior, noise(6), 6)
    for a, b in zip(first.features, replay.features, strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_another_prior_can_be_asked_about_the_same_latents(model: Vae, images: torch.Tensor) -> None:
    """What a swapped prior needs is in the terms: rates equal those of a walk with that prior."""
    model.eval()
    other = CodePrior if model.latent.groups[0].codes is not None else Normal
    prior = other(model.latent.groups, IMAGE)
    for p in prior.parameters():
        nn.init.normal_(p)
    terms = model.infer(images, noise(6)).terms
    model.prior = prior
    walked = model(images, noise(6)).kl()[:, 0]
    for index, term in enumerate(terms):
        p = prior.at(index, Context(6, term.above, noise(6))) or term.p
        assert torch.allclose(kl(term.q, p, term.z), walked[index], rtol=1e-4, atol=1e-4)


def test_a_prior_is_fitted_on_frozen_codes() -> None:
    torch.manual_seed(1)
    model = build(ROWS["codes on two levels"]).eval()
    images = torch.randint(0, 17, (64, 1, 8, 8), dtype=torch.uint8)
    rule = torch.optim.Adam(model.prior.parameters(), lr=0.1)
    rates = []
    for _ in range(60):
        rate = model(images, TorchNoise()).kl().sum(0).mean()
        rule.zero_grad()
        rate.backward()
        rule.step()
        rates.append(rate.item())
    uniform = sum(math.prod(g.shape) for g in model.latent.groups) * math.log(3)
    assert math.isclose(rates[0], uniform, rel_tol=1e-5)
    assert rates[-1] < 0.8 * uniform


@pytest.mark.parametrize(("row", "bound"), [("codes on two levels", "two-part"), ("vectors", "iwae")])
def test_scores_say_what_bound_they_are(row: str, bound: str, images: torch.Tensor) -> None:
    model = build(ROWS[row]).eval()
    found = scoring.score(model, images, 4, Draws(rows=8))
    assert found.bound == bound
    assert found.exact_prior
    if bound == "two-part":
        assert math.isclose(found.nll.nats, found.rate.nats + found.distortion.nats, rel_tol=1e-6)
        assert math.isclose(
            found.nll.nats, scoring.score(model, images, 1, Draws(5, 8)).nll.nats, rel_tol=1e-6
        )


def test_an_estimated_prior_is_tagged(images: torch.Tensor) -> None:
    assert not scoring.score(
        build(ROWS["a prior whose density is estimated"]).eval(), images, 2, Draws(rows=8)
    ).exact_prior


@pytest.mark.parametrize(
    ("latent", "prior", "said"),
    [
        (FlowLatent, Vamp, "prior=b does not fit latent=a: it needs density;"),
        (FlatCodes, Vamp, "prior=b does not fit latent=a: it needs density and real;"),
        (Gaussian, CodePrior, "prior=b does not fit latent=a: it needs codes;"),
    ],
)
def test_pairs_that_cannot_work_are_refused_by_name(
    latent: type[Component], prior: type[Component], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        check_fit({"latent": latent, "prior": prior}, {"latent": "a", "prior": "b"}, IMAGE, Registry([]))
