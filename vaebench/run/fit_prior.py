"""The fit of a prior after the rest of the model, whose weights are then frozen."""

from collections.abc import Mapping
from dataclasses import asdict

from torch import Tensor

from vaebench import records
from vaebench.errors import DamagedError
from vaebench.model import Vae
from vaebench.run import start
from vaebench.run.code import code_of, code_so_far
from vaebench.run.events import FITTING
from vaebench.run.folder import RunFolder
from vaebench.run.job import Job, Stage
from vaebench.run.train import PRIOR, stand_in, train
from vaebench.settings import Training
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint, Store
from vaebench.training.prior import PriorFit
from vaebench.training.state import State, state_of


def train_rest(job: Job, model: Vae) -> State:
    """Train everything but the prior and keep its weights in the folder, unless the folder holds them."""
    folder = job.folder
    if folder.rest.is_dir():
        try:
            return state_of(checkpoint.load(folder.rest), folder.rest)
        except DamagedError as error:
            if job.prepared.request.only_prior:  # it was never trained here
                raise
            job.reporter.say(f"{error}; it is restored from the checkpoints")
    substitute = stand_in(job.prepared, model)
    assert substitute is not None, "a prior that is fitted after the rest must name its stand-in"
    prior = model.replace_prior(substitute)
    state = train(job, model, but_prior=True)
    model.replace_prior(prior)
    if state.stopped != "diverged":
        save_rest(folder, model.state_dict(), state)
    return state


def fit_prior(job: Job, model: Vae, settings: Training, trained: State) -> State:
    """Fit the model's prior to the frozen rest in the folder.

    :param trained: the final state of the rest's training
    """
    request, folder = job.prepared.request, job.folder
    rest = checkpoint.load_weights(folder.rest)
    own = model.prior.state_dict(prefix=PRIOR)
    start.take(model, {**own, **{n: t for n, t in rest.items() if n not in own}}, folder.rest)
    fit = PriorFit(model.to(job.prepared.device))
    if not any(p.requires_grad for p in fit.parameters()):
        return State(stopped="budget")  # a uniform prior, say: nothing to fit

    def bound(fitted: PriorFit, images: Tensor) -> Tensor:
        return fitted.rates(images, request.scoring.score_batch, request.scoring.noise_seed)

    job.reporter.phase(FITTING)
    job.reporter.say(f"{FITTING} to the frozen rest")
    code = code_of(job.prepared.composition)
    store = Store(folder.fit_checkpoints, job.reporter.saved)
    before = code_so_far(trained, code)
    return Stage(fit, settings, store, bound, code, before, trained.machine).run(job)


def save_rest(folder: RunFolder, weights: Mapping[str, Tensor], state: State) -> None:
    """Save all weights but the prior's, and the state of their training, for the fit of a prior."""
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(PRIOR)}
    checkpoint.save(folder.rest, Checkpoint({"model": rest}, asdict(state)))


def take_rest(base: RunFolder, folder: RunFolder) -> None:
    """Copy the weights of a finished or imported run, without its prior's, into a new run's folder."""
    if folder.request_file.exists() and folder.rest.is_dir():
        return
    state = State(stopped="budget")  # the training of imported weights is unknown
    if base.record.exists():
        done = records.read(base.record)
        spent = done.budget
        state = State(
            step=spent.steps,
            skipped=spent.skipped,
            stopped=spent.stopped,
            best_step=spent.best_step,
            seconds=spent.train_seconds,
            code={slot: part.source_sha256 for slot, part in done.parts.items() if slot != "prior"},
        )
    save_rest(folder, checkpoint.load_weights(base.weights), state)
