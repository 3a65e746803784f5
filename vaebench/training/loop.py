"""The training loop for models and priors, which resumes bit for bit after any step."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, Generic, TypeVar, cast

import torch
from torch import Tensor, nn

from vaebench.blocks.compiled import compiling
from vaebench.contracts import Progress, Scored
from vaebench.errors import DamagedError
from vaebench.interrupts import Interrupted, held_back
from vaebench.model import Vae
from vaebench.noise import TorchNoise, derived_seed
from vaebench.settings import Training
from vaebench.training import optimise
from vaebench.training.average import Average
from vaebench.training.checkpoint import Checkpoint, Store
from vaebench.training.machine import Machine, machine_of
from vaebench.training.prior import PriorFit
from vaebench.training.remarks import RECENT
from vaebench.training.state import Reporter, State, state_of
from vaebench.training.stream import Stream

M = TypeVar("M", bound=Vae | PriorFit)


class Trainer(Generic[M]):
    """Trains a model, or only its prior, on a stream of images.

    :param total: number of steps
    :param bound: −ELBO of the validation split, nats per image; None for no validation
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
        self.average = Average(model, settings) if settings.ema else None
        self.best: dict[str, Tensor] | None = None
        self._warned = False
        """Whether the message that nothing is compiled was shown."""
        self.device = stream.images.device
        self.state = State(machine=machine_of(self.device))
        self._whole = True
        """Whether weights and state belong to the same step."""
        self._saved = 0
        """The step of the newest checkpoint."""

    @property
    def scored_model(self) -> M:
        """The model that is scored: the average of the weights if there is one."""
        return cast(M, self.average.module) if self.average else self.model

    def restore(self, machine: Machine | None = None) -> None:
        """Resume from the newest intact checkpoint, if there is one.

        :param machine: the machine that trained the weights from which training starts, if known
        """
        checkpoint, wrong = self.store.latest()
        for line in wrong:
            self.reporter.say(f"{line}; an older checkpoint is used")
        now = machine_of(self.device)
        if checkpoint is None:
            self.state.machine = dict(machine or now)
            self.state.go_on(now, "from its start", self.reporter)
            return
        self.state = state_of(checkpoint, self.store.folder)
        try:
            self.model.load_state_dict(checkpoint.tensors["model"])
            optimise.restore(self.rule, dict(checkpoint.tensors["optimiser"]))
            if self.average:
                self.average.load_state_dict(checkpoint.tensors["average"])
        except (KeyError, ValueError, TypeError, RuntimeError):
            raise DamagedError(f"{self.store.folder} holds checkpoints of another composition") from None
        if "best" in checkpoint.tensors:
            self.best = {k: t.to(self.device) for k, t in checkpoint.tensors["best"].items()}
        self._saved = self.state.step
        if self.state.stopped == "no":
            self.state.go_on(now, f"from step {self.state.step}", self.reporter)

    def save(self) -> None:
        """Write a checkpoint of the current step."""
        tensors: dict[str, Any] = {
            "model": self.model.state_dict(),
            "optimiser": optimise.tensors_of(self.rule),
        }
        if self.average:
            tensors["average"] = self.average.state_dict()
        if self.best is not None:
            tensors["best"] = self.best
        self.store.save(self.state.step, Checkpoint(tensors, asdict(self.state)))
        self._saved = self.state.step

    def run(self) -> State:
        """Train until the budget or patience ends or training diverges; return the final state.

        A signal to end, or a closed output, is raised again after a checkpoint of the last step is saved
        (``vaebench.interrupts``).
        """
        try:
            self._train()
        except (Interrupted, BrokenPipeError) as error:
            self._save_where_it_ends(error)
            raise
        return self.state

    def _train(self) -> None:
        state, settings = self.state, self.settings
        self.model.train()
        self.reporter.start(state.step, self.total, self.model.image.dims, state.step * settings.batch)
        began = saved = time.monotonic()
        already = state.seconds
        while state.stopped == "no":
            if state.step < self.total and not state.owes_validation:
                with self._indivisible():
                    loss, scored = self._step()
                    state.seconds = already + time.monotonic() - began
                    state.owes_validation = self._validation_is_due()
                    self._remember(scored)
                    if state.skipped_in_a_row >= settings.skip_limit:
                        state.stopped = "diverged"
                self.reporter.step(state.step, state.step * settings.batch, loss, scored)
            if self.bound and state.owes_validation and state.stopped == "no":
                self._validate(self.bound)
            if state.stopped == "diverged":
                break  # the last good checkpoint stays the newest
            if state.step >= self.total and state.stopped == "no":
                state.stopped = "budget"
            if state.stopped != "no" or time.monotonic() - saved > settings.checkpoint:
                self.save()
                saved = time.monotonic()

    def _remember(self, scored: Scored) -> None:
        """Store the −ELBO of the last batches, to compare the test images with."""
        if self.total - self.state.step < RECENT:
            nats = -scored.elbo().mean().item()
            if math.isfinite(nats):
                self.state.recent.append(nats)

    @contextmanager
    def _indivisible(self) -> Iterator[None]:
        """Delay signals inside the block; an exception inside leaves a state that must not be saved."""
        with held_back():
            self._whole = False
            yield
            self._whole = True

    def _save_where_it_ends(self, error: BaseException) -> None:
        """Save a checkpoint, unless a step is incomplete or training diverged, and note it on the error."""
        state = self.state
        if not self._whole or state.stopped == "diverged":
            return
        if state.step > self._saved:
            self.save()
        if state.step:
            error.add_note(f"the checkpoint of step {state.step} is saved")

    def _validation_is_due(self) -> bool:
        step, per_validation = self.state.step, self.settings.validate * len(self.stream.images)
        per_validation /= self.settings.batch
        due = per_validation and int(step / per_validation) > int((step - 1) / per_validation)
        return self.bound is not None and (bool(due) or step >= self.total)

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
        if settings.compile and not compiled and not self._warned:
            self._warned = True
            self.reporter.say("compile=true does nothing here: this model has no blocks that can be compiled")
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
        """The running statistics of batch normalisations, which a forward pass changes, with copies."""
        norms = (m for m in self.model.modules() if isinstance(m, nn.modules.batchnorm._NormBase))
        return [(own, own.clone()) for norm in norms for own in norm.buffers()]

    def _validate(self, bound: Callable[[M], float]) -> None:
        state = self.state
        model = self.scored_model
        training = model.training
        model.eval()
        nats = bound(model)
        model.train(training)
        best = state.best_nats is None or nats < state.best_nats
        with self._indivisible():
            state.owes_validation = False
            if not math.isfinite(nats):
                state.stopped = "diverged"
                return
            state.history.append({"step": state.step, "seconds": state.seconds, "nats": nats})
            self._compare(nats, best)
        self.reporter.validated(state.step, nats, best)

    def _compare(self, nats: float, best: bool) -> None:
        """Keep the best weights, and count validations without improvement."""
        state = self.state
        if best:
            state.best_nats, state.best_step, state.worse_in_a_row = nats, state.step, 0
            if self.settings.keep_best:
                weights = self.scored_model.state_dict()
                self.best = copy.deepcopy({k: t.detach() for k, t in weights.items()})
            return
        state.worse_in_a_row += 1
        if self.settings.patience and state.worse_in_a_row >= self.settings.patience:
            state.stopped = "patience"

    def final_weights(self) -> dict[str, Tensor]:
        """The weights that are scored: those of the best validation if kept, else the last."""
        return self.best if self.best is not None else dict(self.scored_model.state_dict())
