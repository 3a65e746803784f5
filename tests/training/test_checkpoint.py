"""Checkpoints: what is written comes back bit for bit, and any change is noticed."""

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench.errors import DamagedError
from vaebench.storage.files import clear_temporary, write_atomic
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint, Store

DTYPES = [torch.float32, torch.float64, torch.bfloat16, torch.int64, torch.uint8]


def made(seed: int = 0) -> Checkpoint:
    torch.manual_seed(seed)
    tensors = {str(d): torch.randn(3, 4).to(d) for d in DTYPES} | {"scalar": torch.tensor(2.5)}
    return Checkpoint(
        {"model": tensors, "optimiser": {"0.step": torch.tensor(7.0)}}, {"step": seed, "x": 0.1}
    )


def same(a: Checkpoint, b: Checkpoint) -> bool:
    return a.state == b.state and all(
        torch.equal(value, b.tensors[group][name]) and value.dtype == b.tensors[group][name].dtype
        for group, tensors in a.tensors.items()
        for name, value in tensors.items()
    )


def test_what_is_saved_is_loaded(tmp_path: Path) -> None:
    first, second = made(0), made(1)
    for one in (first, second):
        checkpoint.save(tmp_path / "c", one)
        assert same(checkpoint.load(tmp_path / "c"), one)
    assert not list(tmp_path.glob(".*"))


@given(st.data())
@settings(max_examples=150)
def test_any_flipped_bit_and_any_truncation_is_noticed(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("damage") / "c"
    checkpoint.save(folder, made())
    file = data.draw(st.sampled_from(sorted(folder.iterdir())))
    content = bytearray(file.read_bytes())
    if data.draw(st.booleans()):
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    else:
        del content[data.draw(st.integers(0, len(content) - 1)) :]
    file.write_bytes(content)
    with pytest.raises(DamagedError, match="is damaged"):
        checkpoint.load(folder)


def test_the_last_good_checkpoint_is_used(tmp_path: Path) -> None:
    store = Store(tmp_path)
    assert store.latest() == (None, [])
    for step in (1, 2, 3):
        store.save(step, made(step))
    assert len(list(tmp_path.iterdir())) == 2
    victim = tmp_path / "0000000003" / "model.safetensors"
    victim.write_bytes(victim.read_bytes()[:-1])
    found, wrong = store.latest()
    assert found is not None
    assert same(found, made(2))
    assert "0000000003" in wrong[0]
    (tmp_path / "0000000002" / "state.json").unlink()
    with pytest.raises(DamagedError, match="no intact checkpoint is left"):
        store.latest()


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a\0b", "c/../../evil"])
def test_a_strangers_manifest_reads_nothing_outside(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "c"
    checkpoint.save(folder, made())
    (tmp_path / "evil").write_bytes(b"secret")
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest[name] = "0" * 64
    (folder / "manifest.json").write_bytes(
        json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    )
    with pytest.raises(DamagedError):
        checkpoint.load(folder)


def test_a_failed_write_leaves_the_old_file_and_no_litter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "f"
    write_atomic(target, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomic(target, b"new")
    assert target.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [target]
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path / "c", made())
    assert list(tmp_path.iterdir()) == [target]


def test_litter_of_a_killed_writer_is_cleared(tmp_path: Path) -> None:
    (tmp_path / ".f.1.tmp").write_bytes(b"half")
    (tmp_path / ".c.2.tmp").mkdir()
    (tmp_path / ".c.2.tmp" / "x").write_bytes(b"half")
    clear_temporary(tmp_path)
    assert not list(tmp_path.iterdir())


def test_the_weights_digest_sees_names_shapes_types_and_values() -> None:
    w = {"a": torch.zeros(2, 3), "b": torch.ones(1)}
    changed = [
        {"a": torch.zeros(3, 2), "b": torch.ones(1)},
        {"a": torch.zeros(2, 3), "c": torch.ones(1)},
        {"a": torch.zeros(2, 3), "b": torch.ones(1).double()},
        {"a": torch.zeros(2, 3), "b": torch.ones(1) + 1e-7},
    ]
    digests = {checkpoint.weights_sha256(v) for v in [w, *changed]}
    assert len(digests) == 5
    assert checkpoint.weights_sha256(dict(reversed(w.items()))) == checkpoint.weights_sha256(w)
