"""Flipped bits and truncations of everything that a run and a board keep."""

import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from vaebench import leaderboard, records
from vaebench.errors import DamagedError
from vaebench.run.folder import RunFolder
from vaebench.training.checkpoint import Store, load_weights

Damage = Callable[[bytes, Random], bytes]


def flipped(content: bytes, chance: Random) -> bytes:
    """One bit is another."""
    changed = bytearray(content)
    changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def truncated(content: bytes, chance: Random) -> bytes:
    """It ends too early, perhaps at once."""
    return content[: chance.randrange(len(content))]


def checkpoints(folder: Path, damage: Damage, times: int, seed: int = 0) -> None:
    """Of a run with two checkpoints: damage to the newer is said, and the older one is used."""
    store, chance = Store(folder / "checkpoints"), Random(seed)
    older, newer = sorted(store.folder.iterdir())
    for _ in range(times):
        victim = chance.choice(sorted(newer.iterdir()))
        whole = victim.read_bytes()
        victim.write_bytes(damage(whole, chance))
        found, wrong = store.latest()
        victim.write_bytes(whole)
        assert found is not None
        assert found.state["step"] == int(older.name), f"{victim}: damage went unnoticed"
        assert len(wrong) == 1
        assert str(newer) in wrong[0]


def rest_of_run(folder: Path, damage: Damage, times: int, seed: int = 0) -> None:
    """Damage to weights, request or record of a run is said, and of which."""
    run, chance = RunFolder(folder), Random(seed)
    read: list[tuple[Path, Callable[[], object]]] = [
        (run.request_file, run.request),
        (run.record, lambda: records.read(run.record)),
        *((file, lambda: load_weights(run.weights)) for file in sorted(run.weights.iterdir())),
    ]
    for _ in range(times):
        victim, act = chance.choice(read)
        whole = victim.read_bytes()
        victim.write_bytes(damage(whole, chance))
        with pytest.raises(DamagedError, match=f"{run.weights if victim.parent == run.weights else victim}"):
            act()
        victim.write_bytes(whole)


def board(root: Path, damage: Damage, times: int, seed: int = 0) -> None:
    """Damage to a submitted record is said, and of which, unless it says the same: 1e-8 as 1E-8."""
    chance = Random(seed)
    leaderboard.regenerate(root)
    for _ in range(times):
        victim = chance.choice(sorted((root / "records").iterdir()))
        whole, record = victim.read_bytes(), records.read(victim)
        victim.write_bytes(damage(whole, chance))
        try:
            leaderboard.check(root)
        except DamagedError as error:
            assert victim.name in str(error)  # noqa: PT017
        else:
            assert records.read(victim) == record, f"{victim}: damage went unnoticed"
        victim.write_bytes(whole)


def without_seals(folder: Path) -> None:
    """Make a run's folder one of the first, whose JSON has no seal."""
    run = RunFolder(folder)
    run.request_file.write_bytes(run.request_file.read_bytes().split(b',\n  "sha256": ')[0] + b"\n}\n")
    run.record.write_bytes(records.to_json(records.read(run.record)))


def copied(folder: Path, to: Path) -> Path:
    """A copy, to be damaged for good."""
    return Path(shutil.copytree(folder, to))
