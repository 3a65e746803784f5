"""Schedules as functions of the step alone, so that a resumed run continues exactly."""

from vaebench.contracts import Progress


def risen(progress: Progress, share: float, hold: float = 0.0) -> float:
    """Rise linearly from 0 to 1 over a share of training, after a share ``hold`` at 0.

    The value is ``clip((t − hold·T) / (share·T), 0, 1)`` at step t of T; with share 0 it is 1 after the hold.
    """
    held = progress.step - hold * progress.total_steps
    if held < 0:
        return 0.0
    return 1.0 if share == 0 else min(1.0, held / max(1.0, share * progress.total_steps))
