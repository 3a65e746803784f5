"""The record of a run: what was run, where, at what cost, and the command that reproduces it."""

import platform
import shlex
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

import vaebench
from vaebench import records
from vaebench.composing.parameters import text
from vaebench.composing.resolve import Composition
from vaebench.composing.spec import Spec, parse
from vaebench.contracts import Dataset
from vaebench.records import Record
from vaebench.requests.request import Request
from vaebench.run import memory
from vaebench.run.code import Code, agreed, code_of
from vaebench.run.prepare import Prepared
from vaebench.run.trace import DataTrace
from vaebench.settings import FITTING, Scoring, Training
from vaebench.storage.later import absences
from vaebench.training.state import State


@dataclass
class Outcome:
    """The outcome of a run: the final states of its stages, and the scores."""

    training: State
    fit: State | None
    """The final state of the prior's fit, where the prior was fitted after the rest."""
    parameters: int
    """The number of the model's weights."""
    scores: records.Scores | None = None
    """None where training or scoring diverged."""
    pictures: records.Pictures | None = None
    weights_sha256: str | None = None
    score_seconds: float = 0.0

    @property
    def diverged(self) -> bool:
        """Whether a stage reached values that are not finite."""
        return "diverged" in (self.training.stopped, self.fit.stopped if self.fit else "")


def record(name: str, prepared: Prepared, trace: DataTrace, outcome: Outcome) -> Record:
    """Make the record of a run; without scores its status is ``diverged``."""
    request, composition, state, fit = prepared.request, prepared.composition, outcome.training, outcome.fit
    code = agreed(code_of(composition), state.code, fit.code if fit else None)
    return Record(
        run=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        status="diverged" if outcome.scores is None else "ok",
        composition=request.compose,
        parts=_parts(composition, code),
        data=_data(request.data, prepared.data, trace),
        classes=prepared.data.classes,
        training=request.training,
        scoring=request.scoring,
        seed=request.seed,
        scores=outcome.scores,
        budget=_budget(outcome, request.training.batch, _peak_memory_mb(prepared.device)),
        fit=_fit(request, fit),
        base=_base(request, trace),
        weights_sha256=outcome.weights_sha256,
        validations=tuple(
            records.Validation(
                images=int(point["step"]) * request.training.batch,
                seconds=point["seconds"],
                nats=point["nats"],
            )
            for point in state.history
        ),
        pictures=outcome.pictures,
        environment=_environment(prepared.device),
        went_on=(*state.changes, *(f"fit, {change}" for change in (fit.changes if fit else ()))),
        command=command(request),
    )


def _base(request: Request, trace: DataTrace) -> records.BaseRun | None:
    if request.base is None:
        return None
    return records.BaseRun(**msgspec.structs.asdict(request.base), data_checksum=trace.base)


def _parts(composition: Composition, code: Code) -> dict[str, records.PartOrigin]:
    return {
        slot: records.PartOrigin(
            name=chosen.registered.entry.name,
            package=chosen.registered.package,
            package_version=chosen.registered.version,
            parameters=dict(chosen.parameters),
            source_sha256=code[slot],
        )
        for slot, chosen in composition.chosen.items()
    }


def _data(spec: str, dataset: Dataset, trace: DataTrace) -> records.Data:
    return records.Data(
        spec=spec,
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
        earlier=trace.earlier,
    )


def _budget(outcome: Outcome, batch: int, peak_memory_mb: float | None) -> records.Budget:
    state = outcome.training
    images = state.step * batch
    return records.Budget(
        images=images,
        steps=state.step,
        skipped=state.skipped,
        train_seconds=state.seconds,
        images_per_second=images / state.seconds if state.seconds else 0.0,
        score_seconds=outcome.score_seconds,
        peak_memory_mb=peak_memory_mb,
        parameters=outcome.parameters,
        stopped="budget" if state.stopped == "no" else state.stopped,
        best_step=state.best_step,
    )


def _fit(request: Request, state: State | None) -> records.Fit | None:
    if request.fitting is None or state is None:
        return None
    return records.Fit(
        settings=request.fitting,
        images=state.step * request.fitting.batch,
        steps=state.step,
        skipped=state.skipped,
        seconds=state.seconds,
        stopped="budget" if state.stopped == "no" else state.stopped,
        best_step=state.best_step,
    )


def _peak_memory_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return memory.peak_mb()


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
    """Return the git revision of vaebench's checkout, with ``+changes`` if modified; None without one."""
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


def _changed(settings: Training | Scoring, default: Training | Scoring, prefix: str = "") -> Sequence[str]:
    """Return ``key=value`` for settings that differ from the default or from the meaning of their absence.

    The text then keeps its meaning when a default changes (``vaebench.leaderboard.commands``).
    """
    absent = {name: absence.value for name, absence in absences(type(settings)).items()}
    return [
        f"{prefix}{name}={text(value)}"
        for name in settings.__struct_fields__
        if {value := getattr(settings, name), absent.get(name, value)} != {getattr(default, name)}
    ]


def command(request: Request) -> str:
    """Return the command that reproduces a run, after the command of the run from which it starts."""
    fitting = _changed(request.fitting, FITTING, "fit.") if request.fitting else ()
    data = ["--data", request.data]
    seed = ["--seed", str(request.seed)]
    before = request.base.command.count(" && ") if request.base else 0
    folder = f"base{before or ''}"  # a base of a base is in a folder of its own
    if request.base and request.only_prior:
        prior = str(Spec({"prior": parse(request.compose).choices["prior"]})).removeprefix("prior=")
        words = ["vaebench", "refit", folder, "--prior", prior, *seed]
        changed: Sequence[str] = (*fitting, *_changed(request.scoring, Scoring()))
    else:
        origin = ["--from", folder] if request.base else []
        words = ["vaebench", "run", *origin, "--compose", request.compose, *data, *seed]
        changed = (*_changed(request.training, Training()), *fitting, *_changed(request.scoring, Scoring()))
    for pair in changed:
        words += ["--set", pair]
    if request.base is None:
        return shlex.join(words)
    return f"{request.base.command} --out {folder} && {shlex.join(words)}"
