"""The training loop: one for everything that is trained, resumable at any step bit for bit."""

import copy
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, Protocol, TypeVar, cast

import msgspec
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaebench.blocks.compiled import compiling
from vaebench.contracts import Progress, Scored
from vaebench.errors import DamagedError
from vaebench.model import Vae
from vaebench.noise import TorchNoise, derived_seed
from vaebench.settings import Training
from vaebench.training import optimise
from vaebench.training.checkpoint import Checkpoint, Store
from vaebench.training.prior import PriorFit
from vaebench.training.stream import Stream

M = TypeVar("M", bound=Vae | PriorFit)


class Reporter(Protocol):
    """Who is told how training goes: a progress bar, lines of a log, or nobody."""

    def start(self, step: int, total: int, dims: int, images: int) -> None: ...

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        """After each step; to read tensors only when something is shown costs the device no waiting."""

    def validated(self, step: int, nats: float, best: bool) -> None: ...

    def say(self, line: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None:
        """How many images of a longer piece of work are done."""


@dataclass
class State:
    """All that training remembers beside tensors; everything else is a function of the step."""

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    stopped: Literal["no", "budget", "patience", "diverged"] = "no"
    best_nats: float | None = None
    best_step: int | None = None
    worse_in_a_row: int = 0
    seconds: float = 0.0
    code: dict[str, str | None] | None = None
    """Slot -> hash of the code of the part that trains, None where it has changed; None: not known."""
    data: str | None = None
    """The checksum of the data; None: not known."""
    history: list[dict[str, float]] = field(default_factory=list)


def state_of(checkpoint: Checkpoint, folder: Path) -> State:
    """What training remembered in a checkpoint; DamagedError, naming ``folder``, where it is no state."""
    try:
        return msgspec.convert(dict(checkpoint.state), State)
    except msgspec.ValidationError as error:
        raise DamagedError(f"{folder} holds no state of training: {error}") from None


class Trainer(Generic[M]):
    """Trains a model, or a prior on the frozen rest of one, on a stream of images.

    :param total: steps to take
    :param bound: what validation measures, in nats per image; None: never validated
    """

    def __init__(
        self,
        model: M,
        stream: Stream,
        settings: Training,
        total: int,
        seed: int,
        store: Store,
        reporter: Reporter,
        bound: Callable[[M], float] | None = None,
    ) -> None:
        self.model = model
        self.stream = stream
        self.settings = settings
        self.total = total
        self.seed = seed
        self.store = store
        self.reporter = reporter
        self.bound = bound
        self.parameters = [p for p in model.parameters() if p.requires_grad]
        self.rule = optimise.optimiser(self.parameters, settings)
        self.average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(settings.ema)) if settings.ema else None
        )
        self.best: dict[str, Tensor] | None = None
        self.state = State()
        self._told = False
        """Whether it was said that nothing is compiled."""
        self.device = stream.images.device

    @property
    def scored_model(self) -> M:
        """The model whose weights count: the average where there is one."""
        return cast(M, self.average.module) if self.average else self.model

    def restore(self) -> None:
        """Go on from the newest whole checkpoint, if there is one."""
        checkpoint, wrong = self.store.latest()
        for line in wrong:
            self.reporter.say(f"{line}; an older checkpoint is used")
        if checkpoint is None:
            return
        self.state = state_of(checkpoint, self.store.folder)
        try:
            self.model.load_state_dict(checkpoint.tensors["model"])
            optimise.restore(self.rule, dict(checkpoint.tensors["optimiser"]))
            if self.average:
                self.average.load_state_dict(checkpoint.tensors["average"])
        except (KeyError, ValueError, TypeError, RuntimeError):
            raise DamagedError(f"{self.store.folder} holds the checkpoints of another composition") from None
        if "best" in checkpoint.tensors:
            self.best = {k: t.to(self.device) for k, t in checkpoint.tensors["best"].items()}

    def save(self) -> None:
        """Write a checkpoint of this step."""
        tensors: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimiser": optimise.tensors_of(self.rule),
        }
        if self.average:
            tensors["average"] = self.average.state_dict()
        if self.best is not None:
            tensors["best"] = self.best
        self.store.save(self.state.step, Checkpoint(tensors, asdict(self.state)))

    def run(self) -> State:
        """Train to the end of the budget, of patience, or of the finite numbers; returns the final state."""
        state, settings = self.state, self.settings
        self.model.train()
        self.reporter.start(state.step, self.total, self.model.image.dims, state.step * settings.batch)
        per_validation = settings.validate * len(self.stream.images) / settings.batch
        began = saved = time.monotonic()
        already = state.seconds
        while state.stopped == "no":
            loss, scored = self._step()
            state.seconds = already + time.monotonic() - began
            self.reporter.step(state.step, state.step * settings.batch, loss, scored)
            done = state.step >= self.total
            if state.skipped_in_a_row >= settings.skip_limit:
                state.stopped = "diverged"
                break  # the last good checkpoint stays the newest
            due = per_validation and int(state.step / per_validation) > int((state.step - 1) / per_validation)
            if self.bound and (due or done):
                self._validate(self.bound)
            if state.stopped == "diverged":
                break
            if done and state.stopped == "no":
                state.stopped = "budget"
            if state.stopped != "no" or time.monotonic() - saved > settings.checkpoint:
                self.save()
                saved = time.monotonic()
        return state

    def _step(self) -> tuple[Tensor, Scored]:
        """One optimiser step, or a skipped one."""
        state, settings = self.state, self.settings
        images = state.step * settings.batch
        progress = Progress(state.step, self.total, images, images / len(self.stream.images))
        # Every draw of this step, dropout's included, is a function of seed and step.
        torch.manual_seed(derived_seed(self.seed, "step", state.step))
        rate = optimise.learning_rate(settings, state.step, self.total, progress.epoch)
        for group in self.rule.param_groups:
            group["lr"] = rate
        x = self.stream.at(state.step)
        statistics = self._batch_statistics()
        half = torch.autocast(self.device.type, torch.bfloat16, enabled=settings.precision == "bf16")
        with half, compiling(settings.compile) as compiled:
            loss, scored = self.model.loss(x, TorchNoise(), progress, self.stream.labels_at(state.step))
        if settings.compile and not compiled and not self._told:
            self._told = True
            self.reporter.say("compile=true does nothing here: what is trained has no blocks for it")
        self.rule.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.parameters, settings.clip or math.inf).item()
        if not math.isfinite(norm) or (settings.skip and norm > settings.skip):
            state.skipped += 1
            state.skipped_in_a_row += 1
            for own, before in statistics:
                own.copy_(before)
        else:
            state.skipped_in_a_row = 0
            self.rule.step()
            self.model.after_step()
            if self.average:
                self.average.update_parameters(self.model)
        state.step += 1
        return loss.detach(), scored

    def _batch_statistics(self) -> list[tuple[Tensor, Tensor]]:
        """Batch normalisations' running statistics, which a forward pass changes, and copies of them."""
        norms = (m for m in self.model.modules() if isinstance(m, nn.modules.batchnorm._NormBase))
        return [(own, own.clone()) for norm in norms for own in norm.buffers()]

    def _validate(self, bound: Callable[[M], float]) -> None:
        state = self.state
        model = self.scored_model
        training = model.training
        model.eval()
        nats = bound(model)
        model.train(training)
        if not math.isfinite(nats):
            state.stopped = "diverged"
            return
        best = state.best_nats is None or nats < state.best_nats
        state.history.append({"step": state.step, "seconds": state.seconds, "nats": nats})
        self.reporter.validated(state.step, nats, best)
        if best:
            state.best_nats, state.best_step, state.worse_in_a_row = nats, state.step, 0
            if self.settings.keep_best:
                self.best = copy.deepcopy({k: t.detach() for k, t in model.state_dict().items()})
            return
        state.worse_in_a_row += 1
        if self.settings.patience and state.worse_in_a_row >= self.settings.patience:
            state.stopped = "patience"

    def final_weights(self) -> dict[str, Tensor]:
        """The weights that are scored: the best validation's where those are kept, else the last."""
        return self.best if self.best is not None else dict(self.scored_model.state_dict())
