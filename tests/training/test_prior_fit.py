"""A prior is fitted alone, to latents that stay as they are, resumes bit for bit, and asks for classes."""

import math
from pathlib import Path

import torch
from torch import Tensor

from tests.fakes.codes import CodePrior, TwoCodes
from tests.training.test_loop import Silent
from vaebench.contracts import Context, ImageShape, Progress
from vaebench.decoders.conv import Conv as ConvDecoder
from vaebench.distributions import Distribution
from vaebench.encoders.conv import Conv
from vaebench.likelihoods.categorical import Categorical
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.objectives.elbo import Elbo
from vaebench.settings import Training
from vaebench.training.checkpoint import Store
from vaebench.training.loop import Trainer
from vaebench.training.prior import PriorFit
from vaebench.training.stream import Stream

IMAGE = ImageShape(1, 8, 8, 4)
SETTINGS = Training(batch=8, lr=0.05, warmup=0, weight_decay=0.0)


class Classed(CodePrior):
    """Remembers the classes that it was asked with."""

    classes = 2

    def at(self, group: int, context: Context) -> Distribution:
        self.asked = context.labels
        return super().at(group, context)


def model(kind: type[CodePrior] = CodePrior) -> Vae:
    torch.manual_seed(0)
    encoder = Conv(IMAGE, width=4, smallest=2)
    latent = TwoCodes(encoder.levels, IMAGE)
    return Vae(
        IMAGE,
        encoder,
        latent,
        kind(latent.groups, IMAGE),
        ConvDecoder(latent.out, IMAGE, width=4),
        Categorical(IMAGE),
        Elbo(latent.groups, IMAGE),
    )


def images() -> Tensor:
    torch.manual_seed(1)
    return torch.randint(0, 4, (40, 1, 8, 8), dtype=torch.uint8)


def trainer(folder: Path, fit: PriorFit, total: int = 30) -> Trainer[PriorFit]:
    x = images()
    return Trainer(
        fit, Stream(x, 8, 0), SETTINGS, total, 0, Store(folder), Silent(), lambda f: f.rate(x, 16, 0)
    )


def test_only_the_prior_is_trained_and_its_rate_falls_below_the_uniform_one(tmp_path: Path) -> None:
    whole = model()
    before = {k: v.clone() for k, v in whole.state_dict().items()}
    fit = PriorFit(whole)
    uniform = sum(math.prod(g.shape) for g in whole.latent.groups) * math.log(3)
    assert math.isclose(fit.rate(images(), 7, 0), uniform, rel_tol=1e-5)
    state = trainer(tmp_path, fit).run()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, before[name]) != name.startswith("prior."), name
    assert fit.rate(images(), 7, 0) < 0.9 * uniform
    assert state.best_nats is not None
    assert state.best_nats < 0.9 * uniform
    assert set(fit.state_dict()) == {k for k in before if k.startswith("prior.")}


def test_a_fit_goes_on_bit_for_bit(tmp_path: Path) -> None:
    whole = PriorFit(model())
    trainer(tmp_path / "whole", whole).run()
    half = trainer(tmp_path / "halves", PriorFit(model()))
    while half.state.step < 13:
        half._step()
    half.save()
    rest = trainer(tmp_path / "halves", PriorFit(model()))
    rest.restore()
    rest.run()
    for name, value in whole.state_dict().items():
        assert torch.equal(value, rest.model.state_dict()[name]), name


def test_classes_are_told_in_training_alone_and_only_to_a_prior_that_has_them() -> None:
    labels = torch.tensor([0, 1, 0])
    progress = Progress(0, 1)
    prior = Classed
    fit = PriorFit(model(prior))
    assert isinstance(fit.prior, Classed)
    fit.loss(images()[:3], TorchNoise(), progress, labels)
    assert fit.prior.asked is labels
    fit.rate(images(), 8, 0)
    assert fit.prior.asked is None
    prior.classes = 0
    fit.loss(images()[:3], TorchNoise(), progress, labels)
    assert fit.prior.asked is None
    prior.classes = 2
