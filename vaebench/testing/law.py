"""A law: a promise of the contracts, the subjects that it applies to, and the examples that check it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

    from vaebench.testing.subject import Subject


class LawBroken(AssertionError):  # noqa: N818 a verdict, not an error of the program
    """A counter-example to a law: what is wrong, what was measured and what was expected."""

    def __init__(self, message: str, measured: object = None, expected: object = None) -> None:
        super().__init__(message)
        self.message = message
        self.measured = _shown(measured)
        self.expected = _shown(expected)


class NotTriedError(Exception):
    """An example that cannot be tried: a constructor refuses it, or no components fit around the subject."""


def always(subject: "Subject") -> str | None:
    """Apply the law to every subject of its kind: ``Law.unless`` of laws without exceptions."""
    return None


@dataclass(frozen=True)
class Law:
    """One promise of the contracts, checked on generated examples.

    :param name: a short sentence; ``vaebench check`` shows it
    :param promise: what the law checks, in one sentence
    :param where: the module, contract, or paper and section that states the promise

    :param check: called as ``check(subject, **example)``; raises ``LawBroken``
    :param examples: gives the strategy of keyword arguments for a subject; None for a law without examples
    :param tries: the number of examples
    :param unless: gives the reason why the law does not apply to a subject, or None where it applies
    """

    name: str
    promise: str
    where: str
    check: Callable[..., None]
    examples: "Callable[[Subject], SearchStrategy[dict[str, Any]]] | None" = None
    tries: int = 15
    unless: "Callable[[Subject], str | None]" = field(default=always)


def hold(truth: object, message: str, measured: object = None, expected: object = None) -> None:
    """Raise ``LawBroken`` unless ``truth`` holds.

    :raises LawBroken: with the message and what was measured and expected
    """
    if not truth:
        raise LawBroken(message, measured, expected)


def close(
    measured: Tensor | float,
    expected: Tensor | float,
    message: str,
    relative: float = 1e-9,
    absolute: float = 1e-9,
) -> None:
    """Compare elements within a tolerance; equal infinities agree.

    :raises LawBroken: at the element that is furthest outside ``absolute + relative·|expected|``
    """
    given = torch.as_tensor(measured, dtype=torch.float64).detach()
    due = torch.as_tensor(expected, dtype=torch.float64).detach()
    if given.shape != due.shape:
        raise LawBroken(f"{message}: the shapes differ", tuple(given.shape), tuple(due.shape))
    excess = (given - due).abs() - absolute - relative * due.abs()
    excess = torch.where(given == due, -torch.inf, excess.nan_to_num(torch.inf, torch.inf, torch.inf))
    if excess.numel() and excess.max() > 0:
        worst = int(excess.argmax())
        where = torch.unravel_index(torch.tensor(worst), given.shape)
        place = f" (at {tuple(int(i) for i in where)} of {tuple(given.shape)})" if given.numel() > 1 else ""
        allowed = absolute + relative * abs(due.flatten()[worst].item())
        raise LawBroken(
            message + place,
            given.flatten()[worst].item(),
            f"{due.flatten()[worst].item():.10g} ± {allowed:.2g}",
        )


def same(measured: Tensor, expected: Tensor, message: str) -> None:
    """Compare elements exactly; not-a-number equals itself.

    :raises LawBroken: at the first element that differs
    """
    for what in ("shape", "dtype"):
        pair = getattr(measured, what), getattr(expected, what)
        hold(pair[0] == pair[1], f"{message}: the {what}s differ", *pair)
    differ = ~((measured == expected) | ((measured != measured) & (expected != expected)))
    if differ.any():
        where = tuple(differ.nonzero()[0].tolist())
        place = f" (first at {where}, in {int(differ.sum())} of {differ.numel()} elements)" if where else ""
        raise LawBroken(message + place, measured[where].item(), expected[where].item())


SHOWN = 6
"""How many elements of a tensor a message shows."""


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Tensor):
        if value.numel() == 1:
            return _shown(value.item())
        elements = [_shown(v) for v in value.detach().flatten()[:SHOWN].tolist()]
        more = ", ..." if value.numel() > SHOWN else ""
        return f"[{', '.join(elements)}{more}] of shape {tuple(value.shape)}"
    if isinstance(value, list | tuple) and any(isinstance(v, float) for v in value):
        return f"[{', '.join(map(_shown, value))}]"
    return f"{value:.10g}" if isinstance(value, float) else str(value)
