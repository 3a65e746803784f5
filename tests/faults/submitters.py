"""Many processes that submit records into one folder at once."""

import tempfile
from pathlib import Path
from random import Random

import msgspec

from tests.faults.child import forked
from tests.leaderboard.strategies import COMPOSITIONS, Making
from vaebench.leaderboard import file_name, submit
from vaebench.records import Record, read, to_json


def record(number: int) -> Record:
    """A synthetic record, another for each number."""
    made = Making(Random(number), ["digits", "mnist"], COMPOSITIONS, ["here", "there"]).record()
    return msgspec.structs.replace(made, run=f"run {number}")


def submit_all(root: str, numbers: list[int]) -> None:
    """Submit the records of these numbers, one after the other."""
    with tempfile.TemporaryDirectory() as run:
        for number in numbers:
            path = Path(run) / "record.json"
            path.write_bytes(to_json(record(number)))
            submit(path, Path(root))


def crowd(root: Path, processes: int, each: int) -> None:
    """Every process submits records of its own and some of its neighbour's: none is lost, torn or doubled."""
    shared = each // 10
    begun = [
        forked(submit_all, str(root), list(range(p * each, (p + 1) * each + shared)))
        for p in range(processes)
    ]
    for process in begun:
        process.join()
        assert process.exitcode == 0
    wanted = {file_name(record(n)) for n in range(processes * each + shared)}
    found = {path.name for path in (root / "records").iterdir()}
    assert found == wanted, f"{len(wanted - found)} lost, {len(found - wanted)} too many"
    for path in (root / "records").iterdir():
        assert file_name(read(path)) == path.name, f"{path} is torn"
