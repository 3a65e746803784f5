"""The folder of a run: what was asked, checkpoints, weights, record and pictures; one process at a time."""

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
    """Paths of a run, and the lock that keeps a second process out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.request_file = path / "run.json"
        self.data = path / "data.json"
        """Which data the run was trained on."""
        self.checkpoints = path / "checkpoints"
        self.weights = path / "weights"
        self.start = path / "start"
        """The weights that training starts from, where those are another run's."""
        self.rest = path / "rest"
        """What a prior is fitted to: trained here, or another run's."""
        self.fit_checkpoints = path / "fit-checkpoints"
        self.record = path / "record.json"
        self.history = path / "history.json"
        self.samples = path / "samples.png"
        self.reconstructions = path / "reconstructions.png"

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder; the kernel frees it when the process ends, however it ends.

        Raises InUseError at once where another process holds it.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"{self.path} cannot be made: {error.strerror}") from None
        with held(self.path):
            for folder in (self.checkpoints, self.fit_checkpoints):
                if folder.is_symlink():
                    raise UsageError(
                        f"{folder} is a symbolic link: a run is written into its own folder only"
                    )
            for folder in (self.path, self.checkpoints, self.fit_checkpoints):
                clear_temporary(folder)
            yield

    def refuse_if_in_use(self) -> None:
        """InUseError where another process holds the folder now; makes nothing."""
        if (self.path / LOCK).exists():
            with held(self.path):
                pass

    def write_request(self, request: Request) -> None:
        """Say what this folder is a run of."""
        write_atomic(self.request_file, seal(msgspec.json.format(msgspec.json.encode(request))))

    def request(self) -> Request:
        """What this folder is a run of; UsageError where it is no run's folder."""
        try:
            request = later.decode(unseal(self.request_file.read_bytes()), Request)
            return msgspec.structs.replace(request, data=data_as_meant(request.data))
        except FileNotFoundError:
            raise UsageError(f"{self.path} is not the folder of a run: it has no run.json") from None
        except (OSError, ValueError, RecursionError) as error:
            raise DamagedError(f"{self.request_file} is damaged: {error}") from None
