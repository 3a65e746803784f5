"""The code that trained a run: a hash of the source of each component."""

import contextlib
from collections.abc import Mapping

from vaebench.composing.resolve import Composition
from vaebench.composing.sources import source_sha256
from vaebench.errors import DamagedError
from vaebench.run.folder import RunFolder
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Store
from vaebench.training.state import State, state_of

Code = Mapping[str, str | None]
"""Slot -> the hash of its component's code; None where it is unknown."""


def code_of(composition: Composition) -> Code:
    """Return the components' code in this process; it is read once, even if their files change later."""
    return {
        slot: chosen.registered.source_sha256 or source_sha256(chosen.registered.entry.target)
        for slot, chosen in composition.chosen.items()
    }


def agreed(now: Code, *before: Code | None) -> Code:
    """Return the current code; None for a component whose code has changed or was unknown before."""
    return {
        slot: code if all(then is None or then.get(slot, code) == code for then in before) else None
        for slot, code in now.items()
    }


def code_so_far(state: State, now: Code) -> Code | None:
    """Return the code that has trained so far; None before the first step."""
    return state.code if state.code is not None or not state.step else dict.fromkeys(now)


def with_other_code(folder: RunFolder, composition: Composition) -> bool:
    """Whether a run was trained so far with code that is unknown or differs from the current code."""
    now = code_of(composition)
    states = []
    with contextlib.suppress(DamagedError):  # the run itself will report it
        if folder.rest.is_dir():
            states.append(state_of(checkpoint.load(folder.rest), folder.rest))
        for place in (folder.checkpoints, folder.fit_checkpoints):
            latest, _ = Store(place).latest()
            states += [state_of(latest, place)] if latest else []
    return agreed(now, *(code_so_far(state, now) for state in states)) != now
