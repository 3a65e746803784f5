"""Depth without memory: activations computed again for the gradient instead of kept (Chen et al. 2016)."""

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
    """A segment of a network, ``function(*inputs)``.

    With ``on``, only the inputs are kept for its gradient, which calls it again.

    The second call sees what the first saw, and leaves no trace: draws from torch's default generators
    (dropout) are repeated, and the buffers of the module (running statistics) are those of before the first
    call, and changed by the first call only; modules train or not as they did then. What an injected
    ``Noise`` draws is not repeated: draw outside. Where training compiles (``compile``), a segment is what
    is compiled.

    :param on: a part's ``recompute``
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
    """Modules with other buffers and modes for a while; what happens to these is forgotten."""
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
