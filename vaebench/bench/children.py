"""The command of a run."""

import shlex
from pathlib import Path

from vaebench import recording
from vaebench.bench.plan import Run


def command(run: Run, data_root: Path | None, device: str) -> list[str]:
    """The words of ``vaebench run`` that do, or go on with, a run in its folder."""
    words = [*shlex.split(recording.command(run.request)), "--out", str(run.folder), "--resume"]
    if device != "auto":
        words += ["--device", device]
    if data_root is not None:
        words += ["--data-root", str(data_root)]
    return words
