"""What rises with training, as a function of the step alone, so that a resumed run goes on as it was."""

from vaebench.contracts import Progress


def risen(progress: Progress, share: float, hold: float = 0.0) -> float:
    """From 0 to 1, linearly, over a share of training's steps after a share in which it stays 0.

    ``clip((t − hold·T) / (share·T), 0, 1)`` for step t of T; 1 once held where the share is 0.
    """
    held = progress.step - hold * progress.total_steps
    if held < 0:
        return 0.0
    return 1.0 if share == 0 else min(1.0, held / max(1.0, share * progress.total_steps))
