"""Which data a run was trained on: kept beside its request, so that no other data go unnoticed."""

import contextlib

import msgspec

from vaebench import records
from vaebench.contracts import Dataset
from vaebench.errors import DamagedError, OtherDataError
from vaebench.run.folder import RunFolder
from vaebench.storage.files import write_atomic
from vaebench.storage.seal import seal, unseal
from vaebench.training.checkpoint import Store

_SHOWN = 16
"""Digits of a checksum in a message."""


class DataTrace(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The checksum of a run's data. It is no part of the request: the run's folder keeps its name."""

    checksum: str
    files_sha256: str | None = None
    """Hash of the files' names and bytes, for data sets that are read from a user's own files."""
    earlier: tuple[str, ...] = ()
    """Checksums of other data that the run was trained on before, with permission to go on; oldest first."""
    base: str | None = None
    """The checksum of the data on which the weights that the run starts from were trained."""


def of_dataset(dataset: Dataset) -> DataTrace:
    """The trace of a run that begins with these data."""
    return DataTrace(checksum=dataset.checksum, files_sha256=dataset.files_sha256)


def of_folder(folder: RunFolder) -> DataTrace | None:
    """The trace of the run in a folder; None where it is not known, as in the first version's folders.

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
    with contextlib.suppress(DamagedError):  # whoever goes on with the run tells of it
        for place in (folder.fit_checkpoints, folder.checkpoints):
            latest, _ = Store(place).latest()
            checksum = latest.state.get("data") if latest else None
            if isinstance(checksum, str):
                return DataTrace(checksum=checksum)
    return None


def checked(folder: RunFolder, dataset: Dataset, *, allow: bool) -> DataTrace:
    """The trace of a run that goes on with these data, or is opened with them.

    :param allow: go on with other data than before; the trace keeps both checksums
    :raises OtherDataError: where the data have changed and that is not allowed
    """
    before, now = of_folder(folder), of_dataset(dataset)
    if before is None or before.checksum == now.checksum:
        return before or now
    if allow:
        return msgspec.structs.replace(now, earlier=(*before.earlier, before.checksum), base=before.base)
    raise OtherDataError(
        f"{folder.path} belongs to data of checksum {before.checksum[:_SHOWN]}, but {dataset.name} now has "
        f"{now.checksum[:_SHOWN]}: {_reason(before, now)}; restore the data, start a new run, or add "
        "--other-data, which the record will tell"
    )


def _reason(before: DataTrace, now: DataTrace) -> str:
    if before.files_sha256 is None or now.files_sha256 is None:
        return "its images or their split have changed"
    if before.files_sha256 == now.files_sha256:
        return "its files are the same, so they are now decoded or split in another way"
    return "its files have changed"


def write(folder: RunFolder, trace: DataTrace) -> None:
    """Keep a trace in the run's folder."""
    write_atomic(folder.data, seal(msgspec.json.format(msgspec.json.encode(trace))))
