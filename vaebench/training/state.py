"""The state of training beside tensors, and the interface for its progress."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from torch import Tensor

from vaebench.contracts import Scored
from vaebench.errors import DamagedError
from vaebench.storage import later
from vaebench.training.checkpoint import Checkpoint
from vaebench.training.machine import changes


class Reporter(Protocol):
    """Receives the progress of training: a progress bar, a log, or nothing."""

    def start(self, step: int, total: int, dims: int, images: int) -> None: ...

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        """Called after each step; reading a tensor waits for the device, so read only what is shown."""

    def validated(self, step: int, nats: float, best: bool) -> None: ...

    def say(self, line: str) -> None: ...

    def count(self, what: str, done: int, total: int) -> None:
        """Called with the number of images done in a longer piece of work."""


@dataclass
class State:
    """The state of training apart from tensors; all else is a function of the step."""

    step: int = 0
    skipped: int = 0
    skipped_in_a_row: int = 0
    stopped: Literal["no", "budget", "patience", "diverged"] = "no"
    best_nats: float | None = None
    best_step: int | None = None
    worse_in_a_row: int = 0
    seconds: float = 0.0
    code: dict[str, str | None] | None = None
    """Slot -> hash of the code of a component, None if it has changed during training; None: unknown."""
    data: str | None = None
    """The checksum of the data; None: unknown."""
    history: list[dict[str, float]] = field(default_factory=list)
    owes_validation: bool = False
    """Whether training stopped between a step and its validation."""
    machine: dict[str, str] | None = None
    """What determines rounding on the machine that trains; None: unknown."""
    changes: list[str] = field(default_factory=list)
    """How the machine differed when training was resumed: weights may differ from an uninterrupted run."""
    recent: list[float] = field(default_factory=list)
    """−ELBO of the last batches, nats per image."""

    def go_on(self, machine: dict[str, str], where: str, reporter: Reporter) -> None:
        """Store the machine that training continues on, and report how it differs from the one before."""
        if changed := changes(self.machine, machine):
            self.changes.append(f"{where}: {changed}")
            reporter.say(
                f"{self.changes[-1]}; the weights may therefore differ from those of an uninterrupted run"
            )
        self.machine = machine


def state_of(checkpoint: Checkpoint, folder: Path) -> State:
    """The training state in a checkpoint of ``folder``; raises DamagedError if it is not valid."""
    try:
        return later.convert(dict(checkpoint.state), State)
    except msgspec.ValidationError as error:
        raise DamagedError(f"{folder} holds no valid training state: {error}") from None
