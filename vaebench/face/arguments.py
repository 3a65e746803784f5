"""Arguments from Python, checked before anything is computed: seeds, paths, models, NumPy's numbers."""

import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.storage.files import write_atomic
from vaebench.text import one_line

if TYPE_CHECKING:
    from vaebench.face.run import Run

_LARGEST_SEED = 2**62


def whole(what: str, value: object, high: int | None = None) -> int:
    """An integer from 0, NumPy's included.

    :raises UsageError: for anything else, which the message calls ``what``
    """
    bounds = "an integer >= 0" + (f" and <= {high}" if high is not None else "")
    try:
        number = None if isinstance(value, bool | np.bool_) else operator.index(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, RuntimeError):
        number = None
    if number is None or number < 0 or (high is not None and number > high):
        raise UsageError(f"{what}={one_line(value)}: {bounds} is expected")
    return number


def seed_of(value: object) -> int:
    """A random seed; UsageError for what the command line's ``--seed`` refuses too."""
    return whole("seed", value, _LARGEST_SEED)


def path_of(what: str, value: object) -> Path:
    """A path; UsageError for what names none."""
    if not isinstance(value, str | os.PathLike) or not isinstance(os.fspath(value), str):
        raise UsageError(f"{what}={one_line(value)}: a path is expected, not {type(value).__name__}")
    if "\0" in os.fspath(value):
        raise UsageError(f"{what}={one_line(value)}: a path without control characters is expected")
    return Path(value)


def write(path: Path, data: bytes) -> None:
    """Write a file that Python asked for; UsageError where it cannot be written."""
    try:
        write_atomic(path, data)
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror or error}") from None


def model_of(model: "Vae | Run") -> Vae:
    """The model that is given, or that of a run; UsageError for anything else."""
    inner = model if isinstance(model, Vae) else getattr(model, "model", None)
    if not isinstance(inner, Vae):
        raise UsageError(f"a model of vb.compose or a run is expected, not {type(model).__name__}")
    return inner


def plain(value: Any) -> Any:
    """NumPy's numbers as Python's, also as the values of a table; anything else as it is."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    return value.item() if isinstance(value, np.generic) else value
