"""The moving average of a model's weights, which is scored in their place."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaebench.settings import Training


def decay(settings: Training, updates: int) -> float:
    """The decay of the average at an update that follows ``updates`` others.

    With warm-up it is min(ema, (1 + t) / (10 + t)) after t updates, so that the random first weights are
    forgotten even in a short training. Without warm-up it is ``ema``.
    """
    return min(settings.ema, (1 + updates) / (10 + updates)) if settings.ema_warmup else settings.ema


class Average(AveragedModel):
    """A copy of a model whose weights are a moving average: a ← decay · a + (1 − decay) · w at each update.

    The first update copies the weights. Buffers are copies of the model's. The state includes the number of
    updates, so that the average resumes from a checkpoint exactly.
    """

    def __init__(self, model: nn.Module, settings: Training) -> None:
        super().__init__(model, multi_avg_fn=self._update)
        self._settings = settings

    def _update(self, averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Any) -> None:
        # This module's count is on the CPU, so that reading it does not wait for the device.
        rule = get_ema_multi_avg_fn(decay(self._settings, int(self.n_averaged)))
        rule(averaged, current, updates)
