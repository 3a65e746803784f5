"""Which code trained a run: the hash of each component's source."""

import contextlib
from collections.abc import Mapping

from vaebench.composing.resolve import Composition
from vaebench.composing.sources import source_sha256
from vaebench.errors import DamagedError
from vaebench.run.folder import RunFolder
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Store
from vaebench.training.loop import State, state_of

Code = Mapping[str, str | None]
"""Slot -> the hash of its component's code; None where that is not known."""


def code_of(composition: Composition) -> Code:
    """The components' code in this process: it is read once, however their files change."""
    return {
        slot: each.registered.source_sha256 or source_sha256(each.registered.entry.target)
        for slot, each in composition.chosen.items()
    }


def agreed(now: Code, *before: Code | None) -> Code:
    """The code now; None for a component whose code was another before, or was not known."""
    return {
        slot: code if all(then is None or then.get(slot, code) == code for then in before) else None
        for slot, code in now.items()
    }


def code_so_far(state: State, now: Code) -> Code | None:
    """The code that trained until now; None where nothing was trained."""
    return state.code if state.code is not None or not state.step else dict.fromkeys(now)


def with_other_code(folder: RunFolder, composition: Composition) -> bool:
    """Whether a run that has begun was trained with code that is unknown, or differs from the code now."""
    now = code_of(composition)
    states = []
    with contextlib.suppress(DamagedError):  # the run itself will tell of it
        if folder.rest.is_dir():
            states.append(state_of(checkpoint.load(folder.rest), folder.rest))
        for place in (folder.checkpoints, folder.fit_checkpoints):
            latest, _ = Store(place).latest()
            states += [state_of(latest, place)] if latest else []
    return agreed(now, *(code_so_far(state, now) for state in states)) != now
