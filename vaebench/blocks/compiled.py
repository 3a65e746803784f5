"""Compilation of a network's segments: element-wise work in fewer passes over memory."""

import functools
import os
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import torch
from torch import nn

from vaebench.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_COMPILING: ContextVar[bool] = ContextVar("compiling", default=False)
_LIMITS = {"recompile_limit": 256, "accumulated_recompile_limit": 2**16}
"""Shapes and modes for which one piece of code is compiled anew; beyond them it would be run as it is."""
_ABOUT_ITSELF = "The .grad attribute of a Tensor that is not a leaf"
"""How torch's compiler warns of what it does while it looks at a segment's inputs."""


@contextmanager
def compiling(on: bool) -> Iterator[None]:
    """While ``on``, segments (``vaebench.blocks.recompute.recomputed``) are compiled when first called."""
    before = _COMPILING.set(on)
    try:
        yield
    finally:
        _COMPILING.reset(before)


def compiled(function: F) -> F:
    """The compiled form of a module, or of a method of one, while segments are compiled; else itself.

    A module with hooks is left as it is: its forward method alone is not all that a call does.
    """
    if not _COMPILING.get():
        return function
    if isinstance(function, nn.Module):
        if function._forward_hooks or function._forward_pre_hooks:
            return function
        return functools.partial(_compiled(type(function).forward), function)  # type: ignore[return-value]
    owner = getattr(function, "__self__", None)
    if not isinstance(owner, nn.Module):
        return function
    return functools.partial(_compiled(function.__func__), owner)  # type: ignore[attr-defined,return-value]


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
    elif not _has_triton():
        raise UsageError("compile=true needs the package triton on a GPU; install it, or leave it out")


def _has_triton() -> bool:
    from importlib.util import find_spec

    return find_spec("triton") is not None
