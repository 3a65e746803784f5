"""One run, from what was asked to its record."""

import platform
import resource
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

import vaebench
from vaebench import data as data_room
from vaebench import records
from vaebench.compose import Composition, resolve
from vaebench.contracts import Dataset
from vaebench.errors import DivergedError, UsageError
from vaebench.evaluation import scoring
from vaebench.evaluation.likelihood import bounds
from vaebench.files import write_atomic
from vaebench.model import Vae
from vaebench.records import Record
from vaebench.registry import Registry
from vaebench.runs import Request, RunFolder
from vaebench.settings import Training
from vaebench.spec import parse, parse_data
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint, Store
from vaebench.training.loop import Reporter, State, Trainer
from vaebench.training.stream import Stream, derived_seed


@dataclass(frozen=True)
class Prepared:
    """A request whose parts and data are known to be good."""

    request: Request
    composition: Composition
    data: Dataset
    device: torch.device
    root: Path


def device_of(name: str) -> torch.device:
    """``auto`` is the GPU where there is one; UsageError for a GPU that is not there."""
    if name == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device cuda: this machine has no CUDA device; auto or cpu will do")
    return torch.device("cuda" if name == "cuda" or (name == "auto" and torch.cuda.is_available()) else "cpu")


def prepare(request: Request, registry: Registry, root: Path, device: str) -> Prepared:
    """Load the data, fill in and check the composition, and put the request in canonical form."""
    data_spec, dataset = data_room.load(parse_data(request.data), registry, root)
    composition = resolve(parse(request.compose), registry, dataset.image)
    where = device_of(device)
    training = request.training
    if training.steps is None and training.epochs is None:
        training = msgspec.structs.replace(training, epochs=dataset.epochs)
    if training.lr is None:
        training = msgspec.structs.replace(training, lr=dataset.lr)
    model = composition.build(training)  # a constructor may refuse what it was given
    canonical = Request(
        compose=str(composition.spec),
        data=str(data_spec),
        training=training,
        scoring=scoring.settle(request.scoring, dataset, model.latent.groups, registry, where),
        seed=request.seed,
    )
    return Prepared(canonical, composition, dataset, where, root)


def total_steps(training: Training, images: int) -> int:
    """Optimiser steps of a budget: as given, else epochs · images / batch, rounded up."""
    if training.steps is not None:
        return training.steps
    assert training.epochs is not None
    return max(1, -int(-training.epochs * images // training.batch))


def run(prepared: Prepared, folder: RunFolder, registry: Registry, reporter: Reporter) -> Record:
    """Train, score and record; the folder must be locked. Goes on where an interrupted run stopped.

    Raises DivergedError after writing a record without scores.
    """
    folder.write_request(prepared.request)
    model, state = _train(prepared, folder, reporter)
    weights = checkpoint.weights_sha256(model.state_dict())
    scores = None
    began = time.monotonic()
    if state.stopped != "diverged":
        scores, images = scoring.score(model, prepared.data, prepared.request.scoring, registry, reporter)
        scoring.draw_pictures(model, prepared.data, images, folder, prepared.request.scoring)
    write_atomic(folder.history, msgspec.json.encode(state.history) + b"\n")
    record = _record(prepared, folder, model, state, scores, time.monotonic() - began, weights)
    write_atomic(folder.record, records.to_json(record))
    if scores is None:
        kept = (
            "the last good checkpoint is kept" if any(folder.checkpoints.glob("[0-9]*")) else "no checkpoint"
        )
        raise DivergedError(f"training diverged at step {state.step}; {kept}; see {folder.record}")
    return record


def _train(prepared: Prepared, folder: RunFolder, reporter: Reporter) -> tuple[Vae, State]:
    request, dataset, device = prepared.request, prepared.data, prepared.device
    training = request.training
    torch.manual_seed(derived_seed(request.seed, "initial weights"))
    model = prepared.composition.build(training).to(device)
    stream = Stream(dataset.train.images.to(device), training.batch, request.seed, dataset.draw)
    validation = dataset.validation.images.to(device)

    def bound(scored: Vae) -> float:
        return (
            -bounds(scored, validation, 1, request.scoring.score_batch, request.scoring.noise_seed)
            .elbo.mean()
            .item()
        )

    trainer = Trainer(
        model,
        stream,
        training,
        total_steps(training, len(stream.images)),
        request.seed,
        Store(folder.checkpoints),
        reporter,
        bound if training.validate and len(validation) else None,
    )
    trainer.restore()
    state = trainer.run()
    model = trainer.model
    if state.stopped != "diverged":
        model.load_state_dict(trainer.final_weights())
        checkpoint.save(folder.weights, Checkpoint({"model": model.state_dict()}, {"step": state.step}))
    return model.eval(), state


def load(folder: RunFolder, registry: Registry, root: Path, device: str) -> tuple[Prepared, Vae]:
    """A finished run's composition, data and trained model; DamagedError if its weights have changed."""
    request = folder.request()
    if not folder.weights.is_dir():
        raise UsageError(
            f"{folder.path} has no weights yet: finish it with vaebench run --resume --out {folder.path}"
        )
    prepared = prepare(request, registry, root, device)
    model = prepared.composition.build(request.training)
    model.load_state_dict(checkpoint.load(folder.weights).tensors["model"])
    return prepared, model.to(prepared.device).eval()


def _record(
    prepared: Prepared,
    folder: RunFolder,
    model: Vae,
    state: State,
    scores: records.Scores | None,
    score_seconds: float,
    weights: str,
) -> Record:
    request, dataset = prepared.request, prepared.data
    images = state.step * request.training.batch
    return Record(
        run=folder.path.name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        status="diverged" if scores is None else "ok",
        composition=request.compose,
        parts={
            slot: records.PartOrigin(
                name=chosen.registered.entry.name,
                package=chosen.registered.package,
                package_version=chosen.registered.version,
                parameters=dict(chosen.parameters),
            )
            for slot, chosen in prepared.composition.chosen.items()
        },
        data=records.Data(
            spec=request.data,
            name=dataset.name,
            channels=dataset.image.channels,
            height=dataset.image.height,
            width=dataset.image.width,
            levels=dataset.image.levels,
            train=len(dataset.train.images),
            validation=len(dataset.validation.images),
            test=len(dataset.test.images),
            checksum=dataset.checksum,
            binarisation=dataset.binarisation,
        ),
        training=request.training,
        scoring=request.scoring,
        seed=request.seed,
        scores=scores,
        budget=records.Budget(
            images=images,
            steps=state.step,
            skipped=state.skipped,
            train_seconds=state.seconds,
            images_per_second=images / state.seconds if state.seconds else 0.0,
            score_seconds=score_seconds,
            peak_memory_mb=_peak_memory_mb(prepared.device),
            parameters=sum(p.numel() for p in model.parameters()),
            stopped="budget" if state.stopped == "no" else state.stopped,
            best_step=state.best_step,
        ),
        weights_sha256=weights,
        environment=_environment(prepared.device),
        command=command(request),
    )


def _peak_memory_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def _environment(device: torch.device) -> records.Environment:
    packages = ("vaebench", "torch", "torchvision", "torch-fidelity", "numpy")
    return records.Environment(
        device=torch.cuda.get_device_name(device)
        if device.type == "cuda"
        else f"cpu, {torch.get_num_threads()} threads",
        platform=platform.platform(),
        python=platform.python_version(),
        versions={name: version(name) for name in packages},
        git=_git_revision(),
    )


def _git_revision() -> str | None:
    """The revision of vaebench's checkout, ``+changes`` where it has uncommitted ones; None if installed."""
    here = Path(vaebench.__file__).parent

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(here), *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        if git("ls-files", "__init__.py") != "__init__.py":
            return None
        return git("rev-parse", "HEAD") + ("+changes" if git("status", "--porcelain", ".") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def settings_said(room: msgspec.Struct) -> Sequence[str]:
    """``key=value`` for what differs from the defaults."""
    from vaebench.parameters import text

    default = type(room)()
    pairs = ((name, getattr(room, name)) for name in room.__struct_fields__)
    return [f"{name}={text(value)}" for name, value in pairs if value != getattr(default, name)]


def command(request: Request) -> str:
    """The command line that asks for the same run."""
    words = [
        "vaebench",
        "run",
        "--compose",
        request.compose,
        "--data",
        request.data,
        "--seed",
        str(request.seed),
    ]
    for said in (*settings_said(request.training), *settings_said(request.scoring)):
        words += ["--set", said]
    return shlex.join(words)
