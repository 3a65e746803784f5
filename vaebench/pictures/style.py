"""Matplotlib with its default settings: no backend, style file or user configuration changes pictures."""

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
    """Use the settings that matplotlib is shipped with, and restore the previous ones afterwards."""
    matplotlib = _matplotlib()
    with matplotlib.rc_context():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its defaults include settings that it deprecates
            shipped = {name: value for name, value in matplotlib.rcParamsDefault.items() if name != "backend"}
            matplotlib.rcParams.update(shipped)
        yield


@cache
def _matplotlib() -> ModuleType:
    """Import matplotlib regardless of its environment variables.

    The backend of the environment, which may not exist here, is set again for other users of matplotlib.
    """
    _need_no_home()
    log, backend = logging.getLogger("matplotlib"), os.environ.get(_BACKEND)
    level, place = log.level, locale.setlocale(locale.LC_ALL)
    log.setLevel(logging.ERROR)  # its warning about folders that it cannot write is of no use here
    try:
        with _environment({_BACKEND: None, "LC_ALL": "C"}):  # settings may ask for a locale that fails
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
    except UnicodeDecodeError:  # a settings file that is not UTF-8
        spec = find_spec("matplotlib")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    for name in [name for name in sys.modules if name.startswith("matplotlib.")]:
        del sys.modules[name]  # left over from the failed import
    shipped = Path(spec.submodule_search_locations[0]) / "mpl-data" / "matplotlibrc"
    try:
        with _environment({_FILE: str(shipped)}):
            return importlib.import_module("matplotlib")
    except UnicodeDecodeError:
        raise UsageError(
            f"{Path('matplotlibrc').absolute()} is not valid UTF-8: correct or remove it"
        ) from None


@contextmanager
def _environment(changed: Mapping[str, str | None]) -> Iterator[None]:
    """Set environment variables, or remove them for None, and restore them afterwards."""
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
    """Without a home folder, as in a container, give matplotlib a cache folder for this process only."""
    if os.environ.get(_FOLDER):
        return
    try:
        Path.home()
    except RuntimeError:
        os.environ[_FOLDER] = folder = tempfile.mkdtemp(prefix="matplotlib-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)


def figure_png(figure: "Figure", dpi: int | None = None) -> bytes:
    """Draw a matplotlib figure as a PNG by the Agg backend.

    :param dpi: resolution; by default the figure's own
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    buffer = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(buffer, format="png", dpi=dpi or "figure")
    return buffer.getvalue()
