"""Perform a run in its folder: the one way by which commands and Python start a run and go on with one."""

import shlex
from collections.abc import Collection
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from vaebench import records
from vaebench.datasets.load import default_root
from vaebench.errors import DamagedError, UsageError, VaebenchError, refused
from vaebench.model import Vae
from vaebench.records import Record
from vaebench.registry import Registry
from vaebench.requests.request import Request, as_before
from vaebench.run import runner, start, trace
from vaebench.run.fit_prior import take_rest
from vaebench.run.folder import RunFolder
from vaebench.run.job import Job
from vaebench.run.prepare import Prepared, check_trainable, device_of, prepare
from vaebench.run.reporter import RunReporter


@dataclass(frozen=True)
class Place:
    """Where and how a run is performed, whatever it computes."""

    root: Path
    """The folder of data sets."""
    device: str = "auto"
    out: Path | None = None
    """The run's folder; None: one under ``runs/`` whose name follows from the request."""
    resume: bool = False
    """Go on where an interrupted run stopped."""
    other_data: bool = False
    """Go on although the data have changed; the record tells both checksums."""
    given: Collection[str] = ()
    """Names of the settings that were given, those of a fit after ``fit.``: a run that is to go on may have
    begun before the others came."""


def perform(
    request: Request, registry: Registry, place: Place, reporter: RunReporter, base: RunFolder | None = None
) -> tuple[RunFolder, Record]:
    """Carry out a request in its folder, held meanwhile; a finished run is returned as it is.

    :param base: the folder of the run that ``request.base`` names
    :raises UsageError: where something that was asked for does not fit, or the folder holds another run
    :raises OtherDataError: where the data of the run, or of a frozen base, have changed
    """
    prepared, model = prepare(request, registry, place.root, place.device)
    if place.resume:
        prepared = replace(prepared, request=_as_begun(prepared.request, place))
    folder = RunFolder(place.out or Path("runs") / prepared.request.folder_name)
    if not folder.record.exists():
        check_trainable(prepared)
    if base is not None and not prepared.request.base.frozen:  # type: ignore[union-attr]
        start.check(base, model, prepared.data.image)
    with folder.locked():
        finished = _existing(folder, prepared.request, place.resume)
        if finished:
            return folder, finished
        seen = _trace(folder, base, prepared, place)
        if base is not None:
            _keep(base, folder, prepared)
        _introduce(prepared, folder, reporter)
        return folder, _carry_out(Job(prepared, folder, reporter, seen), model)


def _as_begun(request: Request, place: Place) -> Request:
    """The request of the run that is to go on, which may have begun before some settings came."""
    before = as_before(request, place.given)
    folder = RunFolder(place.out or Path("runs") / before.folder_name)
    return before if folder.request_file.exists() and folder.request() == before else request


def _carry_out(job: Job, model: Vae) -> Record:
    try:
        return runner.run(job, model)
    except BrokenPipeError:
        raise
    except (OSError, KeyboardInterrupt) as error:
        kept = job.folder.request_file.exists()
        remedy = f"what was kept goes on with: {_resume(job)}" if kept else ""
        if isinstance(error, OSError):
            raise VaebenchError("; ".join(filter(None, [refused(error), remedy]))) from None
        if remedy:
            error.add_note(remedy)
        raise


def _resume(job: Job) -> str:
    """The command that goes on with a run, on its device and from the folder of data sets where it began."""
    words = ["vaebench", "run", "--resume", "--out", str(job.folder.path)]
    if job.prepared.device != device_of("auto"):
        words += ["--device", job.prepared.device.type]
    if job.prepared.root != default_root():
        words += ["--data-root", str(job.prepared.root)]
    return shlex.join(words)


def _trace(folder: RunFolder, base: RunFolder | None, prepared: Prepared, place: Place) -> trace.DataTrace:
    """Which data the run has seen and sees now; a frozen base must have been trained on the same."""
    if folder.request_file.exists():
        return trace.checked(folder, prepared.data, allow=place.other_data)
    seen = trace.of_dataset(prepared.data)
    if base is None:
        return seen
    before = trace.of_folder(base)
    if prepared.request.base.frozen:  # type: ignore[union-attr]
        seen = trace.checked(base, prepared.data, allow=place.other_data)
    return msgspec.structs.replace(seen, base=before.checksum if before else None)


def _keep(base: RunFolder, folder: RunFolder, prepared: Prepared) -> None:
    """Copy what the run starts from into its folder."""
    assert prepared.request.base is not None
    (take_rest if prepared.request.base.frozen else start.keep)(base, folder)


def _introduce(prepared: Prepared, folder: RunFolder, reporter: RunReporter) -> None:
    data = prepared.data
    for note in data.notes:
        reporter.say(note)
    counts = [f"{len(getattr(data, s).images)} {s}" for s in ("train", "validation", "test")]
    image = data.image
    size = f"{image.channels}x{image.height}x{image.width}, {image.levels} levels"
    reporter.say(f"composition  {prepared.request.compose}")
    reporter.say(f"data         {prepared.request.data}: {', '.join(counts)} images of {size}")
    reporter.say(f"folder       {folder.path}")


def _existing(folder: RunFolder, request: Request, resume: bool) -> Record | None:
    """What the folder already holds: None to train, a record where the run is finished and resumed."""
    if not folder.request_file.exists():
        if any(kept.is_dir() for kept in (folder.checkpoints, folder.fit_checkpoints)):
            raise DamagedError(
                f"{folder.path} holds checkpoints but no run.json that says of what; give another --out"
            )
        return None
    if folder.request() != request:
        raise UsageError(f"{folder.path} holds another run (see its run.json); give another --out")
    done = folder.record.exists()
    if not resume:
        what = "a finished run of just this" if done else "an interrupted run of just this"
        raise UsageError(f"{folder.path} holds {what}; add --resume, or give another --out")
    if not done:
        return None
    record = records.read(folder.record)
    return record if record.status == "ok" else None
