"""Optimiser and learning rate from the settings."""

import math
from collections.abc import Callable, Iterable
from functools import partial

import torch
from torch import Tensor, nn

from vaebench.settings import Training

_RULES: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adamw": partial(torch.optim.AdamW, fused=True),
    "adam": partial(torch.optim.Adam, fused=True),
    "adamax": torch.optim.Adamax,
}


def optimiser(parameters: Iterable[nn.Parameter], settings: Training) -> torch.optim.Optimizer:
    """The update rule that the settings name; fused (one kernel for all parameters) where torch has that."""
    return _RULES[settings.optimiser](
        parameters,
        lr=peak(settings),
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def peak(settings: Training) -> float:
    """The peak learning rate, which a run takes from its data where it is not given."""
    if settings.lr is None:
        raise ValueError("the learning rate is open: a run settles it before training")
    return settings.lr


def learning_rate(settings: Training, step: int, total: int, epoch: float) -> float:
    """The rate of a step: linear warm-up, then constant, cosine to ``lr_end`` of the peak, or γ^epoch."""
    top = peak(settings)
    if step < settings.warmup:
        return top * (step + 1) / settings.warmup
    if settings.schedule == "exponential":
        return top * settings.lr_decay**epoch
    if settings.schedule == "constant":
        return top
    done = (step - settings.warmup) / max(1, total - settings.warmup)
    return top * (settings.lr_end + (1 - settings.lr_end) * 0.5 * (1 + math.cos(math.pi * done)))


def tensors_of(rule: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state as named tensors, ``<parameter's number>.<quantity>``."""
    state = rule.state_dict()["state"]
    return {f"{i}.{key}": torch.as_tensor(value) for i, of in state.items() for key, value in of.items()}


def restore(rule: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The inverse of ``tensors_of``."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        state.setdefault(int(number), {})[key] = tensor
    rule.load_state_dict({"state": state, "param_groups": rule.state_dict()["param_groups"]})
