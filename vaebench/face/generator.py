"""Torch's generators, put back after what draws from them."""

from contextlib import AbstractContextManager

import torch


def kept(device: torch.device) -> AbstractContextManager[None]:
    """Torch's generators, of the CPU and of this device, as they were when this is left."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def generators(device: torch.device) -> list[torch.Tensor]:
    """The states of torch's generators, of the CPU and of this device."""
    cuda = [torch.cuda.get_rng_state(device)] if device.type == "cuda" else []
    return [torch.get_rng_state(), *cuda]


def go_on(states: list[torch.Tensor], device: torch.device) -> None:
    """Let torch's generators draw on from where they were."""
    torch.set_rng_state(states[0])
    for state in states[1:]:
        torch.cuda.set_rng_state(state, device)
