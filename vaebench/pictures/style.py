"""Matplotlib as it comes: no one's backend, style file or configuration changes our pictures."""

import atexit
import importlib
import io
import locale
import logging
import os
import shutil
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from vaebench.errors import UsageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKEND, _FILE, _FOLDER = "MPLBACKEND", "MATPLOTLIBRC", "MPLCONFIGDIR"


@contextmanager
def own_style() -> Iterator[None]:
    """Matplotlib with the settings that it is shipped with; afterwards those of before are back."""
    matplotlib = _matplotlib()
    with matplotlib.rc_context():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # settings that it deprecates are among its own
            shipped = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
            matplotlib.rcParams.update(shipped)
        yield


@cache
def _matplotlib() -> ModuleType:
    """Matplotlib, imported whatever the environment says of it.

    The backend of the environment, which may not exist here, is put back for whoever draws beside us.
    """
    _need_no_home()
    log, backend = logging.getLogger("matplotlib"), os.environ.get(_BACKEND)
    level, place = log.level, locale.setlocale(locale.LC_ALL)
    log.setLevel(logging.ERROR)  # what it says of a folder that it cannot write is of no use here
    try:
        with _environment({_BACKEND: None, "LC_ALL": "C"}):  # settings may ask for a locale, and may fail
            matplotlib = _imported()
        importlib.import_module("matplotlib.figure")
    finally:
        log.setLevel(level)
        locale.setlocale(locale.LC_ALL, place)
    if backend is not None:
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = backend
    return matplotlib


def _imported() -> ModuleType:
    try:
        return importlib.import_module("matplotlib")
    except UnicodeDecodeError:  # a settings file that is no text
        spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        del sys.modules[name]  # of the import that failed
    shipped = Path(spec.submodule_search_locations[0]) / "mpl-data" / "matplotlibrc"
    try:
        with _environment({_FILE: str(shipped)}):
            return importlib.import_module("matplotlib")
    except UnicodeDecodeError:
        raise UsageError(f"{Path('matplotlibrc').absolute()} is not in UTF-8: mend or remove it") from None


@contextmanager
def _environment(changed: Mapping[str, str | None]) -> Iterator[None]:
    """Environment variables as given, None for none; afterwards they are as before."""
    before = {name: os.environ.get(name) for name in changed}
    try:
        _put(changed)
        yield
    finally:
        _put(before)


def _put(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _need_no_home() -> None:
    """Where nobody has a home, as in a container, its cache is a folder that goes when the process ends."""
    if os.environ.get(_FOLDER):
        return
    try:
        Path.home()
    except RuntimeError:
        os.environ[_FOLDER] = folder = tempfile.mkdtemp(prefix="matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def figure_png(figure: "Figure", dpi: int | None = None) -> bytes:
    """A matplotlib figure as a PNG, drawn by Agg.

    :param dpi: else the figure's own
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi or "figure")
    return buffer.getvalue()
