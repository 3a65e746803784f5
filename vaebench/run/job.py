"""The job of performing a run, and its stages: each trains from its newest checkpoint to its end."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic

from torch import Tensor

from vaebench.errors import OtherDataError
from vaebench.run.code import Code, agreed, code_so_far
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import Prepared, total_steps
from vaebench.run.reporter import RunReporter
from vaebench.run.trace import DataTrace
from vaebench.settings import Training
from vaebench.training.checkpoint import Store
from vaebench.training.loop import M, Trainer
from vaebench.training.machine import Machine
from vaebench.training.remarks import of_average
from vaebench.training.state import State
from vaebench.training.stream import Stream


@dataclass(frozen=True)
class Job:
    """What the stages of a run share: the request, the folder, the reporter and the data's checksums."""

    prepared: Prepared
    folder: RunFolder
    reporter: RunReporter
    trace: DataTrace


@dataclass(frozen=True)
class Stage(Generic[M]):
    """One training in a run: of the whole model, or of a prior on the frozen rest."""

    trained: M
    settings: Training
    store: Store
    bound: Callable[[M, Tensor], Tensor]
    """Trained module and validation images (N, C, H, W) -> the bound of each image, (N,) nats."""
    code: Code
    """The code of the components that are trained."""
    before: Code | None = None
    """The code that trained the frozen components."""
    machine: Machine | None = None
    """The machine that trained the frozen components."""

    def run(self, job: Job) -> State:
        """Train to the end of the budget, then load the final weights.

        :raises OtherDataError: where the checkpoints were trained on data other than the run's
        """
        dataset, device, settings = job.prepared.data, job.prepared.device, self.settings
        labels = None if dataset.train.labels is None else dataset.train.labels.to(device)
        seed = job.prepared.request.seed
        stream = Stream(dataset.train.images.to(device), settings.batch, seed, dataset.draw, labels)
        validation = dataset.validation.images.to(device)
        validated = bool(settings.validate and len(validation))
        trainer = Trainer(
            self.trained,
            stream,
            settings,
            total_steps(settings, len(stream.images)),
            seed,
            self.store,
            job.reporter,
            (lambda scored: self.bound(scored, validation).mean().item()) if validated else None,
        )
        trainer.restore(self.machine)
        self._note_data(trainer.state, job)
        self._note_code(trainer.state, job.reporter)
        state = trainer.run()
        if state.stopped != "diverged":
            images = validation if validated and settings.ema > 0 else None
            self._take_final(trainer.final_weights(), images, job.reporter)
        return state

    def _take_final(
        self, weights: Mapping[str, Tensor], images: Tensor | None, reporter: RunReporter
    ) -> None:
        """Load the weights to score, and report if they do much worse or better than the last weights.

        :param images: validation images for the comparison; None where the weights are not an average
        """
        model = self.trained
        model.eval()
        last = None if images is None else self.bound(model, images)
        model.load_state_dict(weights)
        if images is not None and last is not None:
            line = of_average(
                self.bound(model, images), last, model.image.dims, warms_up=self.settings.ema_warmup
            )
            if line is not None:
                reporter.say(line)

    def _note_data(self, state: State, job: Job) -> None:
        trace = job.trace
        if state.data is not None and state.data not in (trace.checksum, *trace.earlier):
            raise OtherDataError(
                f"{self.store.folder} has checkpoints that were trained on data with checksum {state.data}, "
                f"but the run's data have checksum {trace.checksum}; give another --out"
            )
        state.data = trace.checksum

    def _note_code(self, state: State, reporter: RunReporter) -> None:
        """Keep the code hash of each component; it is None for a component whose code has changed."""
        state.code = dict(agreed(self.code, code_so_far(state, self.code), self.before))
        if changed := [slot for slot, code in state.code.items() if code != self.code[slot]]:
            reporter.say(
                f"{', '.join(changed)}: no hash is recorded, because the code changed during training"
            )
