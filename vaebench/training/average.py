"""The moving average of a model's weights that is scored."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaebench.settings import Training


def decay(settings: Training, updates: int) -> float:
    """How much of the average stays at an update, after so many before it.

    With warm-up min(ema, (1 + t) / (10 + t)) for t updates: the average forgets the first weights, which are
    random, however few steps are taken. Without, ``ema`` throughout.
    """
    return min(settings.ema, (1 + updates) / (10 + updates)) if settings.ema_warmup else settings.ema


class Average(AveragedModel):
    """A copy of a model whose weights are a moving average: a ← decay · a + (1 − decay) · w at each update.

    The first update takes the weights as they are. Buffers are the model's own. Its state holds how many
    updates there were, so that it goes on from a checkpoint as it would have without.
    """

    def __init__(self, model: nn.Module, settings: Training) -> None:
        super().__init__(model, multi_avg_fn=self._update)
        self._settings = settings

    def _update(self, averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Any) -> None:
        # The count of this module is on the CPU: reading it does not wait for the device.
        rule = get_ema_multi_avg_fn(decay(self._settings, int(self.n_averaged)))
        rule(averaged, current, updates)
