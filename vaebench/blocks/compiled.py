"""Compilation of a network's segments, which fuses element-wise operations."""

import functools
import os
import shutil
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import nn

from vaebench.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_COMPILING: ContextVar[set[Callable[..., Any]] | None] = ContextVar("compiling", default=None)
"""The functions of the compiled segments called so far; None while segments are not compiled."""
_LIMITS = {"recompile_limit": 256, "accumulated_recompile_limit": 2**16}
"""How often a function is compiled for new shapes and modes; beyond that, torch runs it uncompiled."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""The attributes in which torch keeps a module's hooks."""
_ABOUT_ITSELF = "The .grad attribute of a Tensor that is not a leaf"
"""The start of a warning that torch's compiler causes itself when it inspects a segment's inputs."""


@contextmanager
def compiling(on: bool) -> Iterator[set[Callable[..., Any]]]:
    """Compile segments (``vaebench.blocks.recompute.recomputed``) on their first call, while ``on``.

    Yields a set that collects the functions of the compiled segments that are called.
    """
    called: set[Callable[..., Any]] = set()
    before = _COMPILING.set(called if on else None)
    try:
        yield called
    finally:
        _COMPILING.reset(before)


def compiled(function: F) -> F:
    """Return the compiled form of a module or of its method while segments are compiled; else itself.

    A module with hooks stays uncompiled, because compiling its forward method would skip them.
    """
    called = _COMPILING.get()
    if called is None:
        return function
    if isinstance(function, nn.Module):
        if any(getattr(function, hooks) for hooks in _HOOKS):
            return function
        return _bound(type(function).forward, function, called)  # type: ignore[return-value]
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, nn.Module):
        return function
    return _bound(function.__func__, owner, called)  # type: ignore[attr-defined,return-value]


def _bound(code: Callable[..., Any], owner: nn.Module, called: set[Callable[..., Any]]) -> Callable[..., Any]:
    called.add(code)
    return functools.partial(_compiled(code), owner)


@functools.cache
def _compiled(code: Callable[..., Any]) -> Callable[..., Any]:
    """Compile once for all modules of a class; modules of the same shapes share the result."""
    compiled = torch.compile(code, dynamic=False)

    @functools.wraps(code)
    def call(*inputs: Any) -> Any:
        with warnings.catch_warnings(), torch._dynamo.config.patch(_LIMITS):
            warnings.filterwarnings("ignore", message=_ABOUT_ITSELF)
            return compiled(*inputs)

    return call


def check_compiler(device: torch.device) -> None:
    """Check that the compiler that torch uses on a device is installed.

    :raises UsageError: naming what is missing
    """
    if device.type == "cpu":
        name = os.environ.get("CXX", "g++")
        if shutil.which(name) is None:
            raise UsageError(
                f"compile=true needs a C++ compiler, but {name} is not installed; install it or omit compile"
            )
    else:
        if not _has_triton():
            raise UsageError("compile=true needs the package triton on a GPU; install it or omit compile")
        names = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang"]
        if not any(map(shutil.which, names)):
            raise UsageError(
                f"compile=true needs a C compiler, but {' or '.join(names)} is not installed; "
                "install it or omit compile"
            )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise UsageError(
            f"compile=true needs Python's headers, but {header} is missing; install them or omit compile"
        )


def _has_triton() -> bool:
    from importlib.util import find_spec

    return find_spec("triton") is not None
