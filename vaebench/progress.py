"""How training is shown: a bar on a terminal, plain lines elsewhere, events on request; always on stderr."""

import math
import sys
import time
from importlib.util import find_spec
from types import TracebackType
from typing import Literal, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor

from vaebench.contracts import Scored
from vaebench.run import events


class _Pace:
    """Images per second since the last time it was asked."""

    def __init__(self) -> None:
        self.at = time.monotonic()
        self.images = 0

    def due(self, every: float) -> bool:
        return time.monotonic() - self.at >= every

    def rate(self, images: int) -> float:
        now = time.monotonic()
        rate = (images - self.images) / max(now - self.at, 1e-9)
        self.at, self.images = now, images
        return rate


def _figures(loss: Tensor, scored: Scored, dims: int, rate: float) -> str:
    bits = -scored.elbo().mean().item() / (dims * math.log(2))
    return f"loss {loss.item():.2f}  {bits:.3f} bits/dim  {rate:.0f} images/s"


class Lines:
    """A plain line every few seconds and at the last validation."""

    every = 10.0

    def __init__(self) -> None:
        self.pace = _Pace()
        self.total = 0
        self.dims = 1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        pass

    def say(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        self.total, self.dims = total, dims
        self.pace.images = images

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        if self.pace.due(self.every):
            figures = _figures(loss, scored, self.dims, self.pace.rate(images))
            self.say(f"step {step}/{self.total}  {figures}")

    def validated(self, step: int, nats: float, best: bool) -> None:
        if step == self.total:
            self.say(f"step {step}/{self.total}  validation {nats / (self.dims * math.log(2)):.3f} bits/dim")

    def count(self, what: str, done: int, total: int) -> None:
        if self.pace.due(self.every):
            self.pace.rate(done)
            self.say(f"{what}  {done}/{total}")

    def phase(self, name: events.Name) -> None:
        pass

    def saved(self, step: int) -> None:
        pass

    def ended(self, status: Literal["ok", "diverged"], bits_per_dim: float | None) -> None:
        pass


class Bar(Lines):
    """A live bar with loss, bits/dim and images per second."""

    every = 0.2

    def __init__(self, console: Console) -> None:
        super().__init__()
        self.progress = Progress(
            BarColumn(bar_width=10),
            MofNCompleteColumn(),
            TextColumn("{task.description}"),
            TimeRemainingColumn(compact=True),
            console=console,
        )
        self.task = self.progress.add_task("", total=None, visible=False)
        self.validation = ""

    def __enter__(self) -> Self:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def say(self, line: str) -> None:
        self.progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        super().start(step, total, dims, images)
        self.progress.update(self.task, total=total, completed=step, visible=True)

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        if self.pace.due(self.every) or step == self.total:
            figures = _figures(loss, scored, self.dims, self.pace.rate(images))
            self.progress.update(self.task, completed=step, description=f"{figures}{self.validation}")

    def validated(self, step: int, nats: float, best: bool) -> None:
        self.validation = f"  val {nats / (self.dims * math.log(2)):.3f}"

    def count(self, what: str, done: int, total: int) -> None:
        self.progress.update(self.task, total=total, completed=done, description=what, visible=done < total)


class Events(Lines):
    """One JSON object a line, for a program that watches: ``vaebench.run.events``."""

    every = 0.5

    def say(self, line: str) -> None:
        self._tell(events.Say(line))

    def phase(self, name: events.Name) -> None:
        self._tell(events.Phase(name))

    def start(self, step: int, total: int, dims: int, images: int) -> None:
        super().start(step, total, dims, images)
        self._tell(events.Start(step, total))

    def step(self, step: int, images: int, loss: Tensor, scored: Scored) -> None:
        if self.pace.due(self.every):
            self._tell(events.Step(step, self.total, loss.item(), self.pace.rate(images)))

    def validated(self, step: int, nats: float, best: bool) -> None:
        self._tell(events.Validated(step, self.total, nats / (self.dims * math.log(2)), best))

    def saved(self, step: int) -> None:
        self._tell(events.Saved(step))

    def count(self, what: str, done: int, total: int) -> None:
        if self.pace.due(self.every):
            self.pace.rate(done)
            self._tell(events.Count(what, done, total))

    def ended(self, status: Literal["ok", "diverged"], bits_per_dim: float | None) -> None:
        self._tell(events.End(status, bits_per_dim))

    def _tell(self, event: events.Event) -> None:
        print(events.encode(event), file=sys.stderr, flush=True)


def reporter(progress: str = "auto") -> Lines:
    """A bar on a terminal and in a notebook with ipywidgets, else lines; or events, if ``json``.

    NO_COLOR is honoured.
    """
    if progress == "json":
        return Events()
    console = Console(stderr=True)
    live = console.is_terminal or (console.is_jupyter and find_spec("ipywidgets") is not None)
    return Bar(console) if live else Lines()
