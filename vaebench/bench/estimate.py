"""How long a run will take, estimated from a few of its own steps.

The model is built, and a few steps of training, and of fitting the prior if there is a fit, are timed. The
first step counts once, as it may compile the model. A batch of scoring, of generating and of the extractor's
features is timed too. Each time is multiplied by the number of such steps in the run. The time to start is
the time that importing and loading took here. Pictures, the histogram and the linear algebra of FID are not
included, nor is early stopping.
"""

import contextlib
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from vaebench.bench.plan import PlannedRun
from vaebench.contracts import Scored
from vaebench.evaluation import scoring
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.likelihood import bounds, default_samples
from vaebench.model import Vae
from vaebench.registry import Registry
from vaebench.run.prepare import Prepared, prepare, total_steps
from vaebench.run.train import begin
from vaebench.settings import Training
from vaebench.training.checkpoint import Store
from vaebench.training.loop import Trainer
from vaebench.training.prior import PriorFit
from vaebench.training.stream import Stream


@dataclass(frozen=True)
class RunTime:
    """The seconds that the stages of one run take."""

    start: float
    training: float
    fit: float
    scoring: float

    @property
    def total(self) -> float:
        """Seconds of the whole run."""
        return self.start + self.training + self.fit + self.scoring


def importing() -> float:
    """Seconds until a new process has imported what a run needs."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import vaebench.run.runner"], check=True)
    return time.perf_counter() - began


def estimate(run: PlannedRun, registry: Registry, imported: float, seconds: float = 2.0) -> RunTime:
    """Estimate how long a run will take on this machine.

    :param imported: result of ``importing``
    :param seconds: how long to time each kind of step
    """
    planned = run.prepared
    began = time.perf_counter()
    prepared, model = prepare(planned.request, registry, planned.root, planned.device.type)
    start = imported + time.perf_counter() - began
    request = prepared.request
    begin(prepared, model)
    model.to(prepared.device)
    training = _steps(model, prepared, request.training, seconds)
    row = _scoring(model, prepared, seconds)
    training += _validations(request.training, prepared) * row
    fit, score = 0.0, _scored(model, prepared) * row
    score += _generating(model, prepared, registry)
    if request.fitting is not None:
        prior = PriorFit(model)
        if any(p.requires_grad for p in prior.parameters()):
            fit = _steps(prior, prepared, request.fitting, seconds)
            fit += _validations(request.fitting, prepared) * _rate(prior, prepared)
    return RunTime(start, training, fit, score)


class _Enough(Exception):  # noqa: N818
    pass


class _Watch:
    """A reporter that times steps and ends training after enough of them."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.began = self.first = self.last = 0.0
        self.steps = -1

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        self.began = time.perf_counter()

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        loss.item()  # waits for the device
        self.last = time.perf_counter()
        self.steps += 1
        if self.steps == 0:
            self.first = self.last
        elif self.last - self.first > self.seconds:
            raise _Enough

    def validated(self, step: int, nats: float, best: bool) -> None:
        pass

    def say(self, line: str) -> None:
        pass

    def count(self, what: str, done: int, total: int) -> None:
        pass


def _steps(model: Vae | PriorFit, prepared: Prepared, settings: Training, seconds: float) -> float:
    """Seconds that all training steps of these settings take; nothing is written."""
    train = prepared.data.train
    labels = None if train.labels is None else train.labels.to(prepared.device)
    images = train.images.to(prepared.device)
    total = total_steps(settings, len(images))
    watch = _Watch(seconds)
    stream = Stream(images, settings.batch, prepared.request.seed, prepared.data.draw, labels)
    # More steps than are taken, since the end of training would write a checkpoint.
    nowhere = Store(Path("nowhere"))
    trainer = Trainer(model, stream, settings, max(total, 2**30), prepared.request.seed, nowhere, watch)
    with contextlib.suppress(_Enough):
        trainer.run()
    return watch.first - watch.began + (total - 1) * (watch.last - watch.first) / max(1, watch.steps)


def _scored(model: Vae, prepared: Prepared) -> int:
    """How many rows (images times samples) scoring computes."""
    settings = prepared.request.scoring
    rows = len(prepared.data.test.images) * (settings.samples or 1)
    follow = settings.follow * settings.follow_images
    return rows + (follow if default_samples(model.latent.groups) > 1 else 0)


def _validations(settings: Training, prepared: Prepared) -> int:
    """How many validation images all validations together compute."""
    images = len(prepared.data.train.images)
    steps = total_steps(settings, images)
    if not settings.validate:
        return 0
    times = max(1, int(steps * settings.batch / images / settings.validate))
    return times * len(prepared.data.validation.images)


def _scoring(model: Vae, prepared: Prepared, seconds: float) -> float:
    """Seconds to score one row, from batches that grow until their time can be measured."""
    most = min(prepared.request.scoring.score_batch, len(prepared.data.test.images))
    images = prepared.data.test.images[:most].to(prepared.device)
    model.eval()
    count = max(1, most // 16)
    while True:
        took = _timed(partial(bounds, model, images[:count], 1, Draws(rows=most)))
        if took > seconds / 4 or count == most:
            return took / count
        count = min(2 * count, most)


def _rate(prior: PriorFit, prepared: Prepared) -> float:
    """Seconds to validate the fit of a prior on one image."""
    images = prepared.data.validation.images[:100].to(prepared.device)
    return _timed(lambda: prior.rate(images, 100, 0)) / max(1, len(images))


def _generating(model: Vae, prepared: Prepared, registry: Registry) -> float:
    """Seconds to generate the images for FID and to compute features of these and of the training split."""
    settings, data = prepared.request.scoring, prepared.data
    few, draws = 64, Draws(rows=settings.score_batch)
    each = _timed(lambda: scoring.generate(model, few, draws, settings.temperature)) / few
    if settings.extractor in (None, "off"):
        return scoring.SHOWN * each
    images = data.test.images[:256]
    try:
        extractor = registry.resolve("extractor", settings.extractor)(
            settings.extractor_weights, prepared.device
        )
        feature = _timed(lambda: extractor(images, data.image.levels)) / max(1, len(images))
    except (Exception, SystemExit):  # FID will be missing, and the record will give the reason
        return settings.fid_images * each
    return settings.fid_images * each + (settings.fid_images + len(data.train.images)) * feature


def _timed(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - began
