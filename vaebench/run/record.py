"""The record of a run: what was run, where, what it cost, and the command that asks for it again."""

import platform
import resource
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import msgspec
import torch

import vaebench
from vaebench import records
from vaebench.composing.parameters import text
from vaebench.composing.resolve import Composition
from vaebench.composing.sources import source_sha256
from vaebench.composing.spec import Spec, parse
from vaebench.contracts import Dataset
from vaebench.records import Record
from vaebench.requests.request import Request
from vaebench.settings import FITTING, Scoring, Training
from vaebench.training.loop import State


def record(
    name: str,
    request: Request,
    composition: Composition,
    dataset: Dataset,
    device: torch.device,
    state: State,
    fit: State | None,
    scores: records.Scores | None,
    pictures: records.Pictures | None,
    score_seconds: float,
    parameters: int,
    weights: str | None,
) -> Record:
    """The record of a run of this name; without scores it is one that diverged.

    :param state: of training, and ``fit`` of the prior's where that was fitted after
    """
    return Record(
        run=name,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        status="diverged" if scores is None else "ok",
        composition=request.compose,
        parts=_parts(composition, agreed(code_of(composition), state.code, fit.code if fit else None)),
        data=_data(request.data, dataset),
        training=request.training,
        scoring=request.scoring,
        seed=request.seed,
        scores=scores,
        budget=_budget(state, request.training.batch, score_seconds, _peak_memory_mb(device), parameters),
        fit=_fit(request, fit),
        base=msgspec.convert(msgspec.to_builtins(request.base), records.Base) if request.base else None,
        weights_sha256=weights,
        validations=tuple(
            records.Validation(
                images=int(point["step"]) * request.training.batch,
                seconds=point["seconds"],
                nats=point["nats"],
            )
            for point in state.history
        ),
        pictures=pictures,
        environment=_environment(device),
        command=command(request),
    )


Code = Mapping[str, str | None]
"""Slot -> the hash of its part's code; None where that is not known."""


def code_of(composition: Composition) -> Code:
    """What the parts' code is in this process: it is read once, however their files change."""
    return {slot: source_sha256(each.registered.entry.target) for slot, each in composition.chosen.items()}


def agreed(now: Code, *before: Code | None) -> Code:
    """The code now, None for a part whose code was another before, or was not known."""
    return {
        slot: code if all(then is None or then.get(slot, code) == code for then in before) else None
        for slot, code in now.items()
    }


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


def _data(spec: str, dataset: Dataset) -> records.Data:
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
    )


def _budget(
    state: State, batch: int, score_seconds: float, peak_memory_mb: float, parameters: int
) -> records.Budget:
    images = state.step * batch
    return records.Budget(
        images=images,
        steps=state.step,
        skipped=state.skipped,
        train_seconds=state.seconds,
        images_per_second=images / state.seconds if state.seconds else 0.0,
        score_seconds=score_seconds,
        peak_memory_mb=peak_memory_mb,
        parameters=parameters,
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


def _said(settings: Training | Scoring, default: Training | Scoring, prefix: str = "") -> Sequence[str]:
    """``key=value`` for what differs from the defaults."""
    pairs = ((name, getattr(settings, name)) for name in settings.__struct_fields__)
    return [f"{prefix}{name}={text(value)}" for name, value in pairs if value != getattr(default, name)]


def command(request: Request) -> str:
    """The command line that asks for the same run, after that of the run that it starts from."""
    fitting = _said(request.fitting, FITTING, "fit.") if request.fitting else ()
    data = ["--data", request.data]
    seed = ["--seed", str(request.seed)]
    before = request.base.command.count(" && ") if request.base else 0
    folder = f"base{before or ''}"  # a base of a base is in a folder of its own
    if request.base and request.base.frozen:
        prior = str(Spec({"prior": parse(request.compose).choices["prior"]})).removeprefix("prior=")
        words = ["vaebench", "refit", folder, "--prior", prior, *seed]
        said: Sequence[str] = (*fitting, *_said(request.scoring, Scoring()))
    else:
        origin = ["--from", folder] if request.base else []
        words = ["vaebench", "run", *origin, "--compose", request.compose, *data, *seed]
        said = (*_said(request.training, Training()), *fitting, *_said(request.scoring, Scoring()))
    for one in said:
        words += ["--set", one]
    if request.base is None:
        return shlex.join(words)
    return f"{request.base.command} --out {folder} && {shlex.join(words)}"
