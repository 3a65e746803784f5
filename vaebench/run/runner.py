"""One run from a prepared request to its record, and the loading of a finished run."""

import contextlib
import time
from pathlib import Path

import torch

from vaebench import records
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.errors import DivergedError, UsageError
from vaebench.evaluation import scoring
from vaebench.model import Vae
from vaebench.pictures.of_run import draw_pictures
from vaebench.records import Record
from vaebench.registry import Registry
from vaebench.run import start, trace
from vaebench.run.events import SCORING
from vaebench.run.fit_prior import fit_prior, train_rest
from vaebench.run.folder import RunFolder
from vaebench.run.job import Job
from vaebench.run.prepare import Prepared, prepare
from vaebench.run.record import Outcome, record
from vaebench.run.train import begin, train
from vaebench.storage.files import write_atomic
from vaebench.storage.seal import seal
from vaebench.storage.strict_json import strict
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint
from vaebench.training.remarks import of_test
from vaebench.training.state import State


def run(job: Job, model: Vae) -> Record:
    """Train, score and record a run; continue where an interrupted run stopped. The folder must be locked.

    :param model: the model with the initial weights of the request's seed
    :raises DivergedError: after writing a record without scores
    """
    prepared, folder = job.prepared, job.folder
    begin(prepared, model)  # before anything is written: a component may refuse the data
    trace.write(folder, job.trace)
    folder.write_request(prepared.request)
    state, fit = _stages(job, model)
    outcome = Outcome(training=state, fit=fit, parameters=sum(p.numel() for p in model.parameters()))
    if not outcome.diverged:
        steps = {"step": state.step, "fit": fit.step if fit else 0}
        checkpoint.save(folder.weights, Checkpoint({"model": model.state_dict()}, steps))
        _score(job, model.eval(), outcome)
    history = {"training": state.history, "fit": fit.history if fit else []}
    write_atomic(folder.history, f"{strict(history)}\n".encode())
    done = record(folder.path.name, prepared, job.trace, outcome)
    write_atomic(folder.record, seal(records.to_json(done)))
    bits = done.scores.likelihood.nll.bits_per_dim if done.scores else None
    job.reporter.ended(done.status, bits)
    if done.scores is None:
        at = f"step {state.step}" if fit is None else f"step {fit.step} of fitting the prior"
        kept = any(folder.checkpoints.glob("[0-9]*"))
        left = "the last good checkpoint is kept" if kept else "there is no good checkpoint"
        raise DivergedError(f"training diverged at {at}; {left}; see {folder.record}")
    return done


def _stages(job: Job, model: Vae) -> tuple[State, State | None]:
    """Train, then fit the prior where it is fitted after the rest; return the final state of each."""
    fitting = job.prepared.request.fitting
    if fitting is None:
        return train(job, model), None
    state = train_rest(job, model)
    if state.stopped == "diverged":
        return state, None
    return state, fit_prior(job, model, fitting, state)


def _score(job: Job, model: Vae, outcome: Outcome) -> None:
    """Score the trained model and draw its pictures; there are no scores where a bound is not finite."""
    prepared, folder, protocol = job.prepared, job.folder, job.prepared.request.scoring
    began = time.monotonic()
    job.reporter.phase(SCORING)
    with contextlib.suppress(DivergedError):
        scores, images = scoring.score(model, prepared.data, protocol, prepared.registry, job.reporter)
        _compare(scores, outcome, job)
        drawn = draw_pictures(model, prepared.data, images, protocol, job.reporter)
        for path, png in ((folder.samples, drawn.samples), (folder.reconstructions, drawn.reconstructions)):
            if png is not None:
                write_atomic(path, png)
        outcome.scores, outcome.pictures = scores, drawn.small
        outcome.weights_sha256 = checkpoint.weights_sha256(model.state_dict())
    outcome.score_seconds = time.monotonic() - began


def _compare(scores: records.Scores, outcome: Outcome, job: Job) -> None:
    """Report where the test images score far from the last training (or fitting) images."""
    likelihood, fit = scores.likelihood, outcome.fit
    if fit is None:
        test, recent = likelihood.elbo, outcome.training.recent
    else:
        test, recent = likelihood.rate, fit.recent
    if line := of_test(test.nats, test.nats_se, recent, job.prepared.data.image.dims):
        job.reporter.say(line)


def load(
    folder: RunFolder, registry: Registry, root: Path, device: str, *, other_data: bool = False
) -> tuple[Prepared, Vae]:
    """Load a finished run: its request, data and trained model.

    :param other_data: load it although its data have changed since
    :raises UsageError: where the run is not finished
    :raises DamagedError: where its weights have changed
    :raises OtherDataError: where its data have changed
    """
    request = folder.request()
    if not folder.weights.is_dir():
        raise unfinished(folder, "weights")
    prepared, model = prepare(request, registry, root, device)
    trace.checked(folder, prepared.data, allow=other_data)
    start.take(model, checkpoint.load_weights(folder.weights), folder.weights)
    return prepared, model.to(prepared.device).eval()


def load_model(folder: RunFolder, registry: Registry) -> Vae:
    """A finished or imported run's trained model alone, on the CPU; its data are not read.

    :raises UsageError: where the run is not finished
    :raises DamagedError: where its weights have changed
    """
    request = folder.request()
    image = start.image_of(folder) if folder.weights.is_dir() else None
    if image is None:
        raise unfinished(folder, "weights")
    composition = resolve(parse(request.compose), registry, image)
    with torch.random.fork_rng(devices=[]):
        model = composition.build(request.training)
    start.take(model, checkpoint.load_weights(folder.weights), folder.weights)
    return model


def unfinished(folder: RunFolder, what: str) -> UsageError:
    """The refusal of a run that lacks something until it is finished."""
    return UsageError(
        f"{folder.path} has no {what} yet: finish it with vaebench run --resume --out {folder.path}"
    )
