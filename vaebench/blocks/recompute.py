"""Activation checkpointing: activations are recomputed for the gradient, not kept (Chen et al. 2016)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar, TypeVarTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from vaebench.blocks.compiled import compiled

Inputs = TypeVarTuple("Inputs")
Out = TypeVar("Out")


def recomputed(on: bool, function: Callable[[*Inputs], Out], *inputs: *Inputs) -> Out:
    """Call a segment of a network, ``function(*inputs)``, with activation checkpointing where ``on``.

    Only the inputs are then kept for the gradient, and the backward pass calls the segment a second time.
    The second call repeats the first: draws from torch's default generators (dropout) are the same, modules
    have the buffers (running statistics) and the mode of the first call, and changes of buffers are
    discarded. Draws from a ``Noise`` are not repeated: make them outside the segment. With ``compile``,
    segments are what is compiled.

    :param on: the component's ``recompute``
    :param function: a module, or a method of one
    """
    if not torch.is_grad_enabled():
        return function(*inputs)
    called = compiled(function)
    if not on:
        return called(*inputs)
    owner = getattr(function, "__self__", function)
    modules = list(owner.modules()) if isinstance(owner, nn.Module) else []
    before = [{name: t.clone() for name, t in m._buffers.items() if t is not None} for m in modules]

    modes = [module.training for module in modules]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _as_it_was(modules, before, modes)

    return checkpoint(called, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _as_it_was(
    modules: list[nn.Module], buffers: list[dict[str, Tensor]], modes: list[bool]
) -> Iterator[None]:
    """Give modules other buffers and modes inside the context, and restore their own afterwards."""
    kept = [(dict(module._buffers), module.training) for module in modules]
    for module, other, mode in zip(modules, buffers, modes, strict=True):
        module._buffers.update({name: t.clone() for name, t in other.items()})
        module.training = mode
    try:
        yield
    finally:
        for module, (own, mode) in zip(modules, kept, strict=True):
            module._buffers.update(own)
            module.training = mode
