"""The folder of a run: request, checkpoints, weights, record and pictures, for one process at a time."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from vaebench.errors import DamagedError, UsageError
from vaebench.requests.request import Request, data_as_meant
from vaebench.storage import later
from vaebench.storage.files import clear_temporary, write_atomic
from vaebench.storage.locks import LOCK, held
from vaebench.storage.seal import seal, unseal


class RunFolder:
    """The paths of a run, and the lock that keeps a second process out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request_file = path / "run.json"
        self.data = path / "data.json"
        """The checksums of the data that the run was trained on."""
        self.checkpoints = path / "checkpoints"
        self.weights = path / "weights"
        self.start = path / "start"
        """The weights from which training starts, where they come from another run."""
        self.rest = path / "rest"
        """The frozen weights to which a prior is fitted: trained in this run or another."""
        self.fit_checkpoints = path / "fit-checkpoints"
        self.record = path / "record.json"
        self.history = path / "history.json"
        self.samples = path / "samples.png"
        self.reconstructions = path / "reconstructions.png"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Create and lock the folder; the kernel releases the lock whenever and however the process ends.

        :raises InUseError: at once, where another process holds the lock
        :raises UsageError: where the folder cannot be created, or a folder in it is a symbolic link
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be created: {error.strerror}") from None
        with held(self.path):
            for folder in (self.checkpoints, self.fit_checkpoints):
                if folder.is_symlink():
                    raise UsageError(
                        f"{folder} is a symbolic link, but a run writes only inside its own folder; remove it"
                    )
            for folder in (self.path, self.checkpoints, self.fit_checkpoints):
                clear_temporary(folder)
            yield

    def refuse_if_in_use(self) -> None:
        """Check that no other process holds the folder; create nothing.

        :raises InUseError: where one does
        """
        if (self.path / LOCK).exists():
            with held(self.path):
                pass

    def write_request(self, request: Request) -> None:
        """Write the request of the run into the folder."""
        write_atomic(self.request_file, seal(msgspec.json.format(msgspec.json.encode(request))))

    def request(self) -> Request:
        """Read the request of the run.

        :raises UsageError: where the folder is not a run folder
        :raises DamagedError: where the request cannot be read
        """
        try:
            request = later.decode(unseal(self.request_file.read_bytes()), Request)
            return msgspec.structs.replace(request, data=data_as_meant(request.data))
        except FileNotFoundError:
            raise UsageError(f"{self.path} is not a run folder: it has no run.json") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DamagedError(f"{self.request_file} is damaged: {error}") from None
