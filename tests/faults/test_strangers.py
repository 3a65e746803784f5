"""What a stranger's files may hold: nothing is executed, nothing is written outside."""

import hashlib
import json
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.command import call
from tests.faults import damage
from tests.faults.scenes import QUICK
from vaebench import records
from vaebench.leaderboard import file_name
from vaebench.storage.seal import seal, unseal

NAMES = ["../evil", "../../evil", "/tmp/../evil", "{outside}/evil", "a\0b", "..", "", "~/evil", "a/b"]


class Bomb:
    """Unpickled, it makes a file."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


class Stranger:
    """A stranger's run in a folder of its own, and all that lies around it."""

    def __init__(self, root: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.root, self.capsys = root, capsys
        self.outside = root / "outside"
        self.outside.mkdir()
        self.marker = self.outside / "executed"
        for name in ("evil", ".evil.1.tmp", "a.old.tmp"):
            (self.outside / name).write_bytes(b"precious")
        (self.outside / "0000000001").mkdir()
        (root / "mine").mkdir()
        self.run = damage.copied(finished, root / "mine" / "run")
        self.board = root / "mine" / "boards"
        self.before = self.around()

    def around(self) -> dict[str, bytes]:
        """Everything but what is in the folders that the commands are given."""
        return {
            str(path): path.read_bytes() if path.is_file() else b""
            for path in self.root.rglob("*")
            if not path.is_relative_to(self.root / "mine")
        }

    def manifest(self, folder: str, change: Callable[[dict[str, str]], None]) -> None:
        """Change a checkpoint's manifest, as whoever wrote the checkpoint could."""
        path = self.run / folder / "manifest.json"
        found = json.loads(path.read_bytes())
        change(found)
        path.write_bytes(json.dumps(found, sort_keys=True, separators=(",", ":")).encode())

    def replace(self, folder: str, name: str, content: bytes) -> None:
        """Change a checkpoint's file and its digest."""
        (self.run / folder / name).write_bytes(content)
        self.manifest(folder, lambda m: m.update({name: hashlib.sha256(content).hexdigest()}))

    def edit(self, name: str, change: Callable[[Any], None]) -> None:
        """Change run.json or record.json, and seal it again."""
        path = self.run / name
        found = json.loads(unseal(path.read_bytes()))
        change(found)
        path.write_bytes(seal(json.dumps(found, indent=2).encode()))

    def tried(self, *codes: int) -> None:
        """Every command that reads a run ends with one of these codes and one line, and does no harm."""
        new = ["--out", self.root / "mine" / "new", "--steps", 1, *QUICK]
        for words in (
            ["eval", self.run, "--device", "cpu"],
            ["sample", self.run, "--count", 2, "--device", "cpu"],
            ["run", "--from", self.run, *new],
            [
                "refit",
                self.run,
                "--prior",
                "normal",
                "--out",
                self.root / "mine" / "refitted",
                "--device",
                "cpu",
            ],
            ["run", "--resume", "--out", self.run, "--device", "cpu"],
            ["submit", self.run, "--root", self.board],
        ):
            self.harmless(words, codes)
        if (self.board / "records").is_dir():
            self.harmless(["leaderboard", "--root", self.board], codes)

    def harmless(self, words: list[Any], codes: tuple[int, ...]) -> None:
        self.capsys.readouterr()
        code = call(*words)
        said = self.capsys.readouterr().err
        assert code in codes, (words, code, said)
        if code:
            lines = [line for line in said.splitlines() if line.startswith(("vaebench:", "Error"))]
            assert len(lines) == 1, said
            assert "unexpected" not in lines[0], said
        assert self.around() == self.before, words


@pytest.fixture
def stranger(tmp_path: Path, finished: Path, capsys: pytest.CaptureFixture[str]) -> Stranger:
    return Stranger(tmp_path, finished, capsys)


@pytest.mark.parametrize("kind", ["pickle", "torch"])
def test_a_pickled_payload_is_never_unpickled(stranger: Stranger, kind: str) -> None:
    if kind == "pickle":
        payload = pickle.dumps(Bomb(stranger.marker))
    else:
        torch.save({"model": Bomb(stranger.marker)}, stranger.run / "payload")
        payload = (stranger.run / "payload").read_bytes()
    (stranger.run / "record.json").unlink()
    for folder in ("weights", *(f"checkpoints/000000000{step}" for step in (2, 3))):
        for name in ("model.safetensors", "state.json"):
            stranger.replace(folder, name, payload)
    stranger.tried(2, 5)
    for suffix in (".th", ".safetensors", ".pt"):
        file = stranger.run / f"weights{suffix}"
        file.write_bytes(payload)
        words = ["import", "vdvae", file, "--layout", "cifar10", "--data", "digits"]
        stranger.harmless([*words, "--out", stranger.root / "mine" / "new"], (2,))
    assert not stranger.marker.exists()


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_manifest_reach_nothing_outside(stranger: Stranger, name: str) -> None:
    name = name.format(outside=stranger.outside)
    digest = hashlib.sha256(b"precious").hexdigest()
    for folder in ("weights", *(f"checkpoints/000000000{step}" for step in (2, 3))):
        stranger.manifest(folder, lambda manifest: manifest.update({name: digest}))
    (stranger.run / "record.json").unlink()
    stranger.tried(2, 5)


@pytest.mark.parametrize("name", NAMES)
def test_names_in_a_record_name_nothing_outside(stranger: Stranger, name: str) -> None:
    name = name.format(outside=stranger.outside)

    def change(said: Any) -> None:
        said["run"] = said["composition"] = said["command"] = name
        said["data"] |= {"name": name, "spec": name, "binarisation": name}

    stranger.edit("record.json", change)
    stranger.tried(0)
    (file,) = (stranger.board / "records").iterdir()
    assert file.name == file_name(records.read(stranger.run / "record.json"))
    pages = {path.name for path in stranger.board.glob("*.md")} - {"README.md"}
    assert len(pages) == 1


@pytest.mark.parametrize("name", NAMES[::2])
@pytest.mark.parametrize("field", ["data", "compose", "extractor_weights"])
def test_names_in_a_request_name_nothing_outside(stranger: Stranger, field: str, name: str) -> None:
    name = name.format(outside=stranger.outside)

    def change(said: Any) -> None:
        if field == "extractor_weights":
            said["scoring"] |= {"extractor": "digits", "extractor_weights": name}
        else:
            said[field] = f"folder:{name}" if field == "data" else f"enc={name}"

    stranger.edit("run.json", change)
    stranger.tried(0, 2, 5)


@pytest.mark.parametrize(
    ("link", "to"), [(".lock", "evil"), ("checkpoints", "."), ("fit-checkpoints", "."), (".x.tmp", ".")]
)
def test_links_are_not_written_through(stranger: Stranger, link: str, to: str) -> None:
    place = stranger.run / link
    if place.is_dir():
        damage.copied(place, stranger.run / "kept")
        for path in (*place.rglob("*.*"), *place.rglob("0*"), place):
            path.rmdir() if path.is_dir() else path.unlink()
    place.unlink(missing_ok=True)
    place.symlink_to(stranger.outside / to)
    (stranger.run / "record.json").unlink()
    stranger.before = stranger.around()
    stranger.harmless(
        ["run", "--resume", "--out", stranger.run, "--device", "cpu"], (0,) if link == ".x.tmp" else (2,)
    )


def test_a_checkpoint_of_other_shape_or_state_is_damage(stranger: Stranger) -> None:
    (stranger.run / "record.json").unlink()
    for state in ({"step": "x"}, {"history": 3}, [], 3, {"stopped": "never"}):
        for step in (2, 3):
            stranger.replace(f"checkpoints/000000000{step}", "state.json", _compact(state))
        stranger.harmless(["run", "--resume", "--out", stranger.run, "--device", "cpu"], (5,))


def test_depth_is_damage(stranger: Stranger) -> None:
    deep = b"[" * 100_000 + b"]" * 100_000
    for file in ("weights/manifest.json", "run.json"):
        (stranger.run / file).write_bytes(deep)
        stranger.harmless(["eval", stranger.run, "--device", "cpu"], (5,))


def _compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
