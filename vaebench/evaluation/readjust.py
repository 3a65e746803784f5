"""Batch-norm statistics of the images that a model draws: at low temperature, not those of training."""

import copy

import torch
from torch.nn.modules.batchnorm import _BatchNorm

from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.noise import ImageNoise, derived_seed

IMAGES = 100
"""How many images each pass draws."""


@torch.no_grad()
def readjusted(model: Vae, passes: int, temperature: float, seed: int = 0) -> Vae:
    """A copy of the model with running statistics re-estimated on samples (Vahdat & Kautz 2020, section 4).

    Every pass draws ``IMAGES`` images at the temperature with batch normalisation as in training; the new
    running statistics are the mean over the passes. Layers that sampling does not use, such as those of an
    encoder, keep their statistics.

    :raises UsageError: if the model has no batch normalisation with running statistics
    """
    model = copy.deepcopy(model).eval()
    layers = [m for m in model.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    if not layers:
        raise UsageError("readjust: this model has no batch normalisation to readjust")
    before = [(m.momentum, copy.deepcopy(m.state_dict())) for m in layers]
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # the plain mean over passes
        layer.train()
    device = next(model.parameters()).device
    for index in range(passes):
        numbers = torch.arange(index * IMAGES, (index + 1) * IMAGES, device=device)
        model.sample(IMAGES, ImageNoise(derived_seed(seed, "readjust"), numbers), temperature)
    for layer, (momentum, state) in zip(layers, before, strict=True):
        layer.momentum = momentum
        assert layer.num_batches_tracked is not None
        if layer.num_batches_tracked == 0:
            layer.load_state_dict(state)
    return model.eval()
