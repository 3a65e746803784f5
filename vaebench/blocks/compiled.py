"""Compilation of a network's segments: element-wise work in fewer passes over memory."""

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
"""While segments are compiled, the code of those that were called; None while they are not."""
_LIMITS = {"recompile_limit": 256, "accumulated_recompile_limit": 2**16}
"""Shapes and modes for which one piece of code is compiled anew; beyond them it would be run as it is."""
_HOOKS = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
"""Where torch keeps what else a module's call does."""
_ABOUT_ITSELF = "The .grad attribute of a Tensor that is not a leaf"
"""How torch's compiler warns of what it does while it looks at a segment's inputs."""


@contextmanager
def compiling(on: bool) -> Iterator[set[Callable[..., Any]]]:
    """While ``on``, segments (``vaebench.blocks.recompute.recomputed``) are compiled when first called.

    The set that is given fills with the code of the segments that were called compiled.
    """
    called: set[Callable[..., Any]] = set()
    before = _COMPILING.set(called if on else None)
    try:
        yield called
    finally:
        _COMPILING.reset(before)


def compiled(function: F) -> F:
    """The compiled form of a module, or of a method of one, while segments are compiled; else itself.

    A module with hooks is left as it is: its forward method alone is not all that a call does.
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
    """Once for all modules of a class: those of the same shapes share what is compiled."""
    compiled = torch.compile(code, dynamic=False)

    @functools.wraps(code)
    def call(*inputs: Any) -> Any:
        with warnings.catch_warnings(), torch._dynamo.config.patch(_LIMITS):
            warnings.filterwarnings("ignore", message=_ABOUT_ITSELF)
            return compiled(*inputs)

    return call


def check_compiler(device: torch.device) -> None:
    """UsageError where what torch compiles with on a device is not installed."""
    if device.type == "cpu":
        name = os.environ.get("CXX", "g++")
        if shutil.which(name) is None:
            raise UsageError(f"compile=true needs a C++ compiler, and there is no {name} here; leave it out")
    else:
        if not _has_triton():
            raise UsageError("compile=true needs the package triton on a GPU; install it, or leave it out")
        names = [os.environ["CC"]] if os.environ.get("CC") else ["gcc", "clang"]
        if not any(map(shutil.which, names)):
            raise UsageError(
                f"compile=true needs a C compiler, and there is no {' or '.join(names)} here; leave it out"
            )
    header = Path(sysconfig.get_path("include"), "Python.h")
    if not header.exists():
        raise UsageError(f"compile=true needs Python's headers, and there is no {header}; leave it out")


def _has_triton() -> bool:
    from importlib.util import find_spec

    return find_spec("triton") is not None
