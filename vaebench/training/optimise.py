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
    """The optimiser that the settings name, fused (one kernel for all parameters) if torch supports it."""
    return _RULES[settings.optimiser](
        parameters,
        lr=peak(settings),
        betas=(settings.beta1, settings.beta2),
        eps=settings.eps,
        weight_decay=settings.weight_decay,
    )


def peak(settings: Training) -> float:
    """The peak learning rate, which a run takes from its data if the settings leave it open."""
    if settings.lr is None:
        raise ValueError("the learning rate is not set: it must be filled in before training")
    return settings.lr


def learning_rate(settings: Training, step: int, total: int, epoch: float) -> float:
    """The learning rate of a step: linear warm-up, then constant, cosine to ``lr_end`` · peak, or γ^epoch."""
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
    return {
        f"{i}.{key}": torch.as_tensor(v) for i, quantities in state.items() for key, v in quantities.items()
    }


def restore(rule: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """Restore an optimiser's state from named tensors; the inverse of ``tensors_of``."""
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        number, key = name.split(".", 1)
        state.setdefault(int(number), {})[key] = tensor
    rule.load_state_dict({"state": state, "param_groups": rule.state_dict()["param_groups"]})
