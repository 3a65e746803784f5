"""Depth without memory: activations computed again for the gradient instead of kept (Chen et al. 2016)."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar, TypeVarTuple

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

Inputs = TypeVarTuple("Inputs")
Out = TypeVar("Out")


def recomputed(on: bool, function: Callable[[*Inputs], Out], *inputs: *Inputs) -> Out:
    """``function(*inputs)``; with ``on``, only the inputs are kept for its gradient, which calls it again.

    The second call sees what the first saw, and leaves no trace: draws from torch's default generators
    (dropout) are repeated, and the buffers of the module (running statistics) are those of before the first
    call, and changed by the first call only. What an injected ``Noise`` draws is not repeated: draw outside.

    :param on: a part's ``recompute``
    :param function: a module, or a method of one
    """
    if not on or not torch.is_grad_enabled():
        return function(*inputs)
    owner = getattr(function, "__self__", function)
    modules = list(owner.modules()) if isinstance(owner, nn.Module) else []
    before = [{name: t.clone() for name, t in m._buffers.items() if t is not None} for m in modules]

    def contexts() -> tuple[AbstractContextManager[None], AbstractContextManager[None]]:
        return nullcontext(), _buffers(modules, before)

    return checkpoint(function, *inputs, use_reentrant=False, context_fn=contexts)


@contextmanager
def _buffers(modules: list[nn.Module], those: list[dict[str, Tensor]]) -> Iterator[None]:
    """Modules with other buffers for a while; what happens to these is forgotten."""
    kept = [dict(module._buffers) for module in modules]
    for module, other in zip(modules, those, strict=True):
        module._buffers.update({name: t.clone() for name, t in other.items()})
    try:
        yield
    finally:
        for module, own in zip(modules, kept, strict=True):
            module._buffers.update(own)
