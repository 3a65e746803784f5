"""One run, from what was asked to its record."""

import contextlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

import msgspec
import torch
from torch import Tensor

from vaebench import records
from vaebench.composing.resolve import Composition
from vaebench.errors import DamagedError, DivergedError, UsageError
from vaebench.evaluation import scoring
from vaebench.evaluation.likelihood import bounds
from vaebench.model import Vae
from vaebench.noise import derived_seed
from vaebench.pictures.of_run import draw_pictures
from vaebench.records import Record
from vaebench.registry import Registry
from vaebench.run import record as recording
from vaebench.run import start as starting
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import Prepared, prepare, total_steps
from vaebench.settings import Training
from vaebench.storage.files import write_atomic
from vaebench.storage.seal import seal
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint, Store
from vaebench.training.loop import M, Reporter, State, Trainer, state_of
from vaebench.training.prior import PriorFit
from vaebench.training.stream import Stream


def run(prepared: Prepared, folder: RunFolder, registry: Registry, reporter: Reporter) -> Record:
    """Train, score and record; the folder must be locked. Goes on where an interrupted run stopped.

    Raises DivergedError after writing a record without scores.
    """
    request = prepared.request
    _begin(prepared, prepared.composition.build(request.training))  # a part may refuse the data: now
    folder.write_request(request)
    model, state, fit = _train(prepared, folder, reporter)
    scores, weights, pictures = None, None, None
    began = time.monotonic()
    if state.stopped != "diverged" and (fit is None or fit.stopped != "diverged"):
        weights = checkpoint.weights_sha256(model.state_dict())
        with contextlib.suppress(DivergedError):
            scores, images = scoring.score(model, prepared.data, request.scoring, registry, reporter)
            drawn = draw_pictures(model, prepared.data, images, request.scoring)
            write_atomic(folder.samples, drawn.samples)
            write_atomic(folder.reconstructions, drawn.reconstructions)
            pictures = drawn.small
    history = {"training": state.history, "fit": fit.history if fit else []}
    write_atomic(folder.history, msgspec.json.encode(history) + b"\n")
    done = recording.record(
        folder.path.name,
        request,
        prepared.composition,
        prepared.data,
        prepared.device,
        state,
        fit,
        scores,
        pictures,
        time.monotonic() - began,
        sum(p.numel() for p in model.parameters()),
        weights if scores else None,
    )
    write_atomic(folder.record, seal(records.to_json(done)))
    if scores is None:
        at = f"step {state.step}" if fit is None else f"step {fit.step} of fitting the prior"
        kept = any(folder.checkpoints.glob("[0-9]*"))
        left = "the last good checkpoint is kept" if kept else "no checkpoint"
        raise DivergedError(f"training diverged at {at}; {left}; see {folder.record}")
    return done


def _begin(prepared: Prepared, model: Vae) -> None:
    """Let the parts see the training images as a model sees them."""
    torch.manual_seed(derived_seed(prepared.request.seed, "begin"))
    model.begin(scoring.seen_train_images(prepared.data), prepared.data.train.labels)


def _train(prepared: Prepared, folder: RunFolder, reporter: Reporter) -> tuple[Vae, State, State | None]:
    """The trained model, how its training went, and how the fit of its prior did where that comes after."""
    request = prepared.request
    fit: State | None = None
    if request.fitting is None:
        model, state = _train_all(prepared, folder, reporter, stand_in=False)
    else:
        state = _rest(prepared, folder, reporter)
        if state.stopped == "diverged":
            return prepared.composition.build(request.training), state, None
        model, fit = _fit_prior(prepared, folder, reporter, request.fitting, state)
    if "diverged" not in (state.stopped, fit.stopped if fit else ""):
        steps = {"step": state.step, "fit": fit.step if fit else 0}
        checkpoint.save(folder.weights, Checkpoint({"model": model.state_dict()}, steps))
    return model.eval(), state, fit


def _train_all(
    prepared: Prepared, folder: RunFolder, reporter: Reporter, *, stand_in: bool
) -> tuple[Vae, State]:
    """The whole model, trained to the end of its budget."""
    request = prepared.request
    training, protocol = request.training, request.scoring
    torch.manual_seed(derived_seed(request.seed, "initial weights"))
    model = prepared.composition.build(training, stand_in=stand_in)
    if request.base is None:
        _begin(prepared, model)
    else:
        _take_start(model, folder, stand_in=stand_in)

    def bound(scored: Vae, images: Tensor) -> float:
        of_each = bounds(scored, images, 1, protocol.score_batch, protocol.noise_seed)
        return -of_each.elbo.mean().item()

    store = Store(folder.checkpoints)
    code = dict(recording.code_of(prepared.composition))
    if stand_in:
        del code["prior"]  # it is not what trains here
    return model, _trained(prepared, model.to(prepared.device), training, store, reporter, bound, code)


def _trained(
    prepared: Prepared,
    model: M,
    settings: Training,
    store: Store,
    reporter: Reporter,
    bound: Callable[[M, Tensor], float],
    code: recording.Code,
    before: recording.Code | None = None,
) -> State:
    """Train to the end of the settings' budget, from the newest checkpoint on, and take the final weights.

    :param bound: of a model on validation images, nats per image
    :param code: of the parts that train
    :param before: the code that trained what is frozen
    """
    dataset, device, seed = prepared.data, prepared.device, prepared.request.seed
    labels = None if dataset.train.labels is None else dataset.train.labels.to(device)
    stream = Stream(dataset.train.images.to(device), settings.batch, seed, dataset.draw, labels)
    validation = dataset.validation.images.to(device)
    trainer = Trainer(
        model,
        stream,
        settings,
        total_steps(settings, len(stream.images)),
        seed,
        store,
        reporter,
        (lambda found: bound(found, validation)) if settings.validate and len(validation) else None,
    )
    trainer.restore()
    _note_code(trainer.state, code, before, reporter)
    state = trainer.run()
    if state.stopped != "diverged":
        model.load_state_dict(trainer.final_weights())
    return state


def _note_code(state: State, now: recording.Code, before: recording.Code | None, reporter: Reporter) -> None:
    """Keep what code trains; of a part that was trained with another before, the record will not name any."""
    state.code = dict(recording.agreed(now, _code(state, now), before))
    if others := [slot for slot, code in state.code.items() if code != now[slot]]:
        reporter.say(f"{', '.join(others)}: trained with other code before; the record will not name it")


def _code(state: State, now: recording.Code) -> recording.Code | None:
    """The code that trained so far; None where nothing was."""
    return state.code if state.code is not None or not state.step else dict.fromkeys(now)


def with_other_code(folder: RunFolder, composition: Composition) -> bool:
    """Whether a run that has begun was trained with code that is not the parts' now, or is not known."""
    now = recording.code_of(composition)
    states = []
    with contextlib.suppress(DamagedError):  # the run itself will tell of it
        if folder.rest.is_dir():
            states.append(state_of(checkpoint.load(folder.rest), folder.rest))
        for place in (folder.checkpoints, folder.fit_checkpoints):
            found, _ = Store(place).latest()
            states += [state_of(found, place)] if found else []
    return recording.agreed(now, *(_code(state, now) for state in states)) != now


def _take_start(model: Vae, folder: RunFolder, *, stand_in: bool) -> None:
    """Give a model the weights that its run starts from; a prior that is fitted after starts afresh."""
    own = model.prior.state_dict(prefix=_PRIOR) if stand_in else {}
    found = starting.weights(folder)
    model.load_state_dict({n: t for n, t in found.items() if not (stand_in and n.startswith(_PRIOR))} | own)


_PRIOR = "prior."
FITTING = "fitting the prior"
"""How the line begins that says that what comes is a prior's fit."""


def _rest(prepared: Prepared, folder: RunFolder, reporter: Reporter) -> State:
    """How training went of what a prior is fitted to, whose weights are then in the folder."""
    if folder.rest.is_dir():
        base = prepared.request.base
        try:
            return state_of(checkpoint.load(folder.rest), folder.rest)
        except DamagedError as error:
            if base is not None and base.frozen:  # it was never trained here
                raise
            reporter.say(f"{error}; it is made again from the checkpoints")
    model, state = _train_all(prepared, folder, reporter, stand_in=True)
    if state.stopped != "diverged":
        save_rest(folder, model.state_dict(), state)
    return state


def save_rest(folder: RunFolder, weights: Mapping[str, Tensor], state: State) -> None:
    """Keep all weights but the prior's, and how they were trained, for a prior to be fitted to."""
    rest = {name: tensor for name, tensor in weights.items() if not name.startswith(_PRIOR)}
    checkpoint.save(folder.rest, Checkpoint({"model": rest}, asdict(state)))


def take_rest(base: RunFolder, folder: RunFolder) -> None:
    """Copy a finished or imported run's weights, but for its prior's, into a folder that is no run's yet."""
    if folder.request_file.exists() and folder.rest.is_dir():
        return
    state = State(stopped="budget")  # imported weights have no training that a record could tell of
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


def _fit_prior(
    prepared: Prepared, folder: RunFolder, reporter: Reporter, settings: Training, trained: State
) -> tuple[Vae, State]:
    """The model with its prior fitted to the frozen rest that the folder holds.

    :param trained: how the rest was
    """
    request = prepared.request
    torch.manual_seed(derived_seed(request.seed, "initial prior"))
    model = prepared.composition.build(request.training)
    _begin(prepared, model)
    rest = checkpoint.load_weights(folder.rest)
    own = {n: t for n, t in model.state_dict().items() if n.startswith(_PRIOR)}
    _take(model, {**own, **{n: t for n, t in rest.items() if n not in own}}, folder.rest)
    fit = PriorFit(model.to(prepared.device))
    if not any(p.requires_grad for p in fit.parameters()):
        return model, State(stopped="budget")  # a uniform prior, say: nothing to fit

    def bound(fitted: PriorFit, images: Tensor) -> float:
        return fitted.rate(images, request.scoring.score_batch, request.scoring.noise_seed)

    reporter.say(f"{FITTING} to the frozen rest")
    store = Store(folder.fit_checkpoints)
    code = recording.code_of(prepared.composition)
    return model, _trained(prepared, fit, settings, store, reporter, bound, code, _code(trained, code))


def load(folder: RunFolder, registry: Registry, root: Path, device: str) -> tuple[Prepared, Vae]:
    """A finished run's composition, data and trained model; DamagedError if its weights have changed."""
    request = folder.request()
    if not folder.weights.is_dir():
        raise UsageError(
            f"{folder.path} has no weights yet: finish it with vaebench run --resume --out {folder.path}"
        )
    prepared = prepare(request, registry, root, device)
    model = prepared.composition.build(request.training)
    _take(model, checkpoint.load_weights(folder.weights), folder.weights)
    return prepared, model.to(prepared.device).eval()


def _take(model: Vae, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Give a model the weights of a folder; DamagedError where they are another composition's."""
    try:
        starting.refuse_unfit(model, weights, str(folder))
    except UsageError as error:
        raise DamagedError(f"{error}: it holds the weights of another composition") from None
    model.load_state_dict(weights)
