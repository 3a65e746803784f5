"""``vb.steps``: the steps of a training loop of one's own."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.contracts import Dataset, Progress
from vaebench.evaluation import scoring
from vaebench.face.arguments import plain, seed_of
from vaebench.face.generator import generators, go_on, kept
from vaebench.face.origin import begins, check_image, dataset_of, origin_of
from vaebench.model import Vae
from vaebench.noise import TorchNoise, derived_seed
from vaebench.requests.recipes import Recipe
from vaebench.run.prepare import total_steps
from vaebench.training.stream import Stream


@dataclass(frozen=True)
class Step:
    """One step of training: its images, and their loss with the graph that gradients go back through."""

    number: int
    """0, 1, ..."""
    images: Tensor
    """(B, C, H, W), integers."""
    labels: Tensor | None
    """(B,) classes; None where the images have none."""
    loss: Tensor
    """What ``vb.train`` minimises, a scalar: the objective's mean over images, and all penalties."""
    distortion: Tensor
    """(B,) -log p(x|z) of each image, in nats, mean over the objective's samples of z."""
    rate: Tensor
    """(B,) KL(q(z|x) || p(z)) of each image, in nats, summed over groups."""
    after_step: Callable[[], None]
    """Call it after the optimiser's step: components commit their running statistics."""

    @property
    def elbo(self) -> Tensor:
        """(B,) evidence lower bound of each image, in nats: -(distortion + rate)."""
        return -(self.distortion + self.rate)


def steps(
    model: Vae,
    data: str | Dataset | None = None,
    *,
    batch: int = 64,
    epochs: float | None = None,
    steps: int | None = None,
    seed: int = 0,
) -> Iterator[Step]:
    """Yield the steps of a training loop of your own: the same images and noise as in a run with this seed.

    The optimiser, and what else belongs to a loop, are yours. The model is set to training mode for each step
    and trained as a whole, a prior that ``vb.train`` would fit afterwards along with the rest. Torch's own
    generator stays as it is.

    :param model: of ``vb.compose``, or the model of a run to train further
    :param data: a data set by name or a ``vb.Dataset``; default: the model's own
    :param batch: images per step
    :param epochs: passes over the training split; default, without ``steps``: the data's own budget
    :param steps: how many steps
    :param seed: random seed of the order of images and of the noise
    :raises VaebenchError: in one line, for a budget that is none, and images that the model is not made for

    >>> import torch, vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian")
    >>> optimiser = torch.optim.Adam(model.parameters(), lr=1e-3)
    >>> for step in vb.steps(model, steps=2, batch=16):
    ...     optimiser.zero_grad()
    ...     step.loss.backward()
    ...     optimiser.step()
    ...     step.after_step()
    >>> step.number, step.elbo.shape
    (1, torch.Size([16]))
    """
    origin, seed = origin_of(model), seed_of(seed)
    batch = plain(batch)
    budget = {
        name: value
        for name, value in (("steps", plain(steps)), ("epochs", plain(epochs)))
        if value is not None
    }
    training = Recipe(origin.plan.compose, settings={**budget, "batch": batch}).request().training
    dataset = dataset_of(data, origin)
    check_image(model, dataset)
    if not budget:
        budget = {"epochs": dataset.epochs}
        training = Recipe(origin.plan.compose, settings={**budget, "batch": batch}).request().training
    return _steps(model, dataset, batch, total_steps(training, len(dataset.train.images)), seed)


def _steps(model: Vae, dataset: Dataset, batch: int, total: int, seed: int) -> Iterator[Step]:
    device = next(model.parameters()).device
    labels = None if dataset.train.labels is None else dataset.train.labels.to(device)
    stream = Stream(dataset.train.images.to(device), batch, seed, dataset.draw, labels)
    if begins(model):
        with kept(device):
            torch.manual_seed(derived_seed(seed, "begin"))
            model.begin(scoring.seen_train_images(dataset), dataset.train.labels)
    for number in range(total):
        with kept(device):
            torch.manual_seed(derived_seed(seed, "step", number))
            step = _step(model, stream, number, total)
        yield step


def _step(model: Vae, stream: Stream, number: int, total: int) -> Step:
    """One step, its draws a function of torch's generator."""
    images = number * stream.batch
    progress = Progress(number, total, images, images / len(stream.images))
    model.train()
    x, labels = stream.at(number), stream.labels_at(number)
    loss, scored = model.loss(x, TorchNoise(), progress, labels)
    rate = scored.kl().sum(0).mean(0)
    drawn = generators(x.device)

    def after_step() -> None:
        """Commit running statistics; what is drawn for that follows on what the step has drawn."""
        with kept(x.device):
            go_on(drawn, x.device)
            model.after_step()

    return Step(number, x, labels, loss, scored.distortion.mean(0), rate, after_step)
