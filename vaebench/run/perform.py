"""Perform a run in its folder: commands and Python code both start and continue runs here."""

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
    """Where and how a run is performed; nothing here changes what it computes."""

    root: Path
    """The folder of data sets."""
    device: str = "auto"
    out: Path | None = None
    """The run folder; None: a folder under ``runs/`` whose name follows from the request."""
    resume: bool = False
    """Continue an interrupted run."""
    other_data: bool = False
    """Continue although the data have changed; the record keeps both checksums."""
    given: Collection[str] = ()
    """Names of the settings that were given; those of a fit start with ``fit.``. A resumed run may be older
    than the other settings, so their defaults do not apply to it."""


def perform(
    request: Request, registry: Registry, place: Place, reporter: RunReporter, base: RunFolder | None = None
) -> tuple[RunFolder, Record]:
    """Perform a request in its folder, which is locked meanwhile; a finished run is returned unchanged.

    :param base: the folder of the run that ``request.base`` names
    :raises UsageError: where parts of the request do not fit together, or the folder contains another run
    :raises OtherDataError: where the data of the run, or of a frozen base, have changed
    """
    prepared, model = prepare(request, registry, place.root, place.device)
    if place.resume:
        prepared = replace(prepared, request=_as_begun(prepared.request, place))
    folder = RunFolder(place.out or Path("runs") / prepared.request.folder_name)
    if not folder.record.exists():
        check_trainable(prepared)
    if base is not None and not prepared.request.only_prior:
        start.check(base, model, prepared.data.image)
    with folder.locked():
        finished = _existing(folder, prepared.request, place.resume)
        if finished:
            return folder, finished
        data_trace = _trace(folder, base, prepared, place)
        if base is not None:
            _keep(base, folder, prepared)
        _introduce(prepared, folder, reporter)
        return folder, _carry_out(Job(prepared, folder, reporter, data_trace), model)


def _as_begun(request: Request, place: Place) -> Request:
    """Return the request of the run to resume, which may be older than some settings."""
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
        remedy = f"to resume the run: {_resume(job)}" if kept else ""
        if isinstance(error, OSError):
            raise VaebenchError("; ".join(filter(None, [refused(error), remedy]))) from None
        if remedy:
            error.add_note(remedy)
        raise


def _resume(job: Job) -> str:
    """Return the command that resumes a run, with its device and its folder of data sets."""
    words = ["vaebench", "run", "--resume", "--out", str(job.folder.path)]
    if job.prepared.device != device_of("auto"):
        words += ["--device", job.prepared.device.type]
    if job.prepared.root != default_root():
        words += ["--data-root", str(job.prepared.root)]
    return shlex.join(words)


def _trace(folder: RunFolder, base: RunFolder | None, prepared: Prepared, place: Place) -> trace.DataTrace:
    """Return the checksums of the run's data; a frozen base must have been trained on the same data."""
    if folder.request_file.exists():
        return trace.checked(folder, prepared.data, allow=place.other_data)
    now = trace.of_dataset(prepared.data)
    if base is None:
        return now
    before = trace.of_folder(base)
    if prepared.request.only_prior:
        now = trace.checked(base, prepared.data, allow=place.other_data)
    return msgspec.structs.replace(now, base=before.checksum if before else None)


def _keep(base: RunFolder, folder: RunFolder, prepared: Prepared) -> None:
    """Copy the weights from which the run starts into its folder."""
    (take_rest if prepared.request.only_prior else start.keep)(base, folder)


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
    """Return the record of a finished run that is resumed; None where the run must be trained."""
    if not folder.request_file.exists():
        if any(kept.is_dir() for kept in (folder.checkpoints, folder.fit_checkpoints)):
            raise DamagedError(
                f"{folder.path} has checkpoints but no run.json that describes their run; give another --out"
            )
        return None
    if folder.request() != request:
        raise UsageError(f"{folder.path} contains another run (see its run.json); give another --out")
    done = folder.record.exists()
    if not resume:
        state = "finished" if done else "interrupted"
        raise UsageError(
            f"{folder.path} contains this run already, {state}; add --resume, or give another --out"
        )
    if not done:
        return None
    record = records.read(folder.record)
    return record if record.status == "ok" else None
