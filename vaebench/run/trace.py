"""The trace of a run's data: checksums in the run folder, so that changed data are noticed."""

import contextlib
import hashlib

import msgspec

from vaebench import records
from vaebench.contracts import Dataset
from vaebench.errors import DamagedError, OtherDataError
from vaebench.run.folder import RunFolder
from vaebench.storage.files import write_atomic
from vaebench.storage.seal import seal, unseal
from vaebench.training.checkpoint import Store

_SHOWN = 16
"""How many digits of a checksum a message shows."""
_REMEDY = "restore the data, start a new run, or add --other-data, which the record will mention"


class DataTrace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checksums of a run's data. They are not part of the request, so the run folder keeps its name."""

    checksum: str
    files_sha256: str | None = None
    """Hash of the names and bytes of the files, for data sets that are read from a user's own files."""
    labels_sha256: str | None = None
    """Hash of the labels of the three splits; None without labels, and in older folders."""
    earlier: tuple[str, ...] = ()
    """Checksums of other data that the run was trained on before (``--other-data``), oldest first."""
    base: str | None = None
    """The checksum of the data on which the base run was trained, from whose weights this run starts."""


def of_dataset(dataset: Dataset) -> DataTrace:
    """Return the trace of a new run with these data."""
    return DataTrace(
        checksum=dataset.checksum, files_sha256=dataset.files_sha256, labels_sha256=_labels_sha256(dataset)
    )


def _labels_sha256(dataset: Dataset) -> str | None:
    """SHA-256 over the labels of each split, as little-endian int64; None where a split has none."""
    digest = hashlib.sha256()
    for split in (dataset.train, dataset.validation, dataset.test):
        if split.labels is None:
            return None
        digest.update(split.labels.numpy().astype("<i8").tobytes())
    return digest.hexdigest()


def of_folder(folder: RunFolder) -> DataTrace | None:
    """Return the trace of the run in a folder; None where it is unknown, as in the oldest folders.

    :raises DamagedError: where the trace has been changed
    """
    try:
        return msgspec.json.decode(unseal(folder.data.read_bytes()), type=DataTrace)
    except FileNotFoundError:
        pass
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedError(f"{folder.data} is damaged: {error}") from None
    if folder.record.exists():
        data = records.read(folder.record).data
        return DataTrace(checksum=data.checksum, earlier=data.earlier)
    with contextlib.suppress(DamagedError):  # continuing the run will report it
        for place in (folder.fit_checkpoints, folder.checkpoints):
            latest, _ = Store(place).latest()
            checksum = latest.state.get("data") if latest else None
            if isinstance(checksum, str):
                return DataTrace(checksum=checksum)
    return None


def checked(folder: RunFolder, dataset: Dataset, *, allow: bool) -> DataTrace:
    """Return the trace of a run that is continued or loaded with these data.

    :param allow: accept changed data; the trace keeps both checksums
    :raises OtherDataError: where the data have changed and that is not allowed
    """
    before, now = of_folder(folder), of_dataset(dataset)
    if before is None:
        return now
    relabelled = before.checksum == now.checksum and _relabelled(before, now)
    if before.checksum == now.checksum and not relabelled:
        return before
    if allow:
        return msgspec.structs.replace(now, earlier=(*before.earlier, before.checksum), base=before.base)
    if relabelled:
        raise OtherDataError(
            f"{folder.path} was trained on the images of {dataset.name} with other classes: files have moved "
            f"between folders, or folders have other names; {_REMEDY}"
        )
    raise OtherDataError(
        f"{folder.path} was trained on data with checksum {before.checksum[:_SHOWN]}, but {dataset.name} now "
        f"has {now.checksum[:_SHOWN]}: {_reason(before, now)}; {_REMEDY}"
    )


def _relabelled(before: DataTrace, now: DataTrace) -> bool:
    """Whether images have other labels; labels that were added or removed are no other labels."""
    labels = (before.labels_sha256, now.labels_sha256)
    return None not in labels and labels[0] != labels[1]


def _reason(before: DataTrace, now: DataTrace) -> str:
    if before.files_sha256 is None or now.files_sha256 is None:
        return "its images or their split have changed"
    if before.files_sha256 == now.files_sha256:
        return "its files are the same, so they are now decoded or split differently"
    return "its files have changed"


def write(folder: RunFolder, trace: DataTrace) -> None:
    """Write a trace into the run folder."""
    write_atomic(folder.data, seal(msgspec.json.format(msgspec.json.encode(trace))))
