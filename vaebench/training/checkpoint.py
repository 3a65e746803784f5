"""Checkpoints: tensors as safetensors, other state as JSON, and a manifest of hashes that reveals damage."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from vaebench.errors import DamagedError
from vaebench.storage.files import remove_folder, write_folder_atomic

Tensors = Mapping[str, Tensor]
_MANIFEST = "manifest.json"
_STATE = "state.json"
KEPT = 2
"""How many checkpoints of a run are kept: the newest, and one to fall back on."""


@dataclass(frozen=True)
class Checkpoint:
    """Named groups of tensors (``model``, ``optimiser``, …) and a JSON-able state."""

    tensors: Mapping[str, Tensors]
    state: Mapping[str, Any]


def _compact(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def weights_sha256(tensors: Tensors) -> str:
    """SHA-256 over names, dtypes, shapes and bytes, sorted by name."""
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save(folder: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint as a folder, completely or not at all."""
    files = {
        f"{name}.safetensors": safetensors.torch.save(
            {key: tensor.detach().cpu().contiguous().clone() for key, tensor in tensors.items()}
        )
        for name, tensors in checkpoint.tensors.items()
    }
    files[_STATE] = _compact(checkpoint.state)
    files[_MANIFEST] = _compact({name: hashlib.sha256(data).hexdigest() for name, data in files.items()})
    write_folder_atomic(folder, files)


def load(folder: Path) -> Checkpoint:
    """Read a checkpoint; raises DamagedError if any file differs from what was written."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_bytes())
        if _STATE not in manifest or _compact(manifest) != (folder / _MANIFEST).read_bytes():
            raise ValueError("its manifest has changed")
        data = {name: (folder / Path(name).name).read_bytes() for name in manifest}
        for name, digest in manifest.items():
            if hashlib.sha256(data[name]).hexdigest() != digest:
                raise ValueError(f"{name} has changed since it was written")
        state = json.loads(data.pop(_STATE))
        tensors = {name.removesuffix(".safetensors"): safetensors.torch.load(d) for name, d in data.items()}
        if not isinstance(state, dict):
            raise ValueError("its state is not a JSON object")
    except (OSError, ValueError, TypeError, AttributeError, RecursionError, SafetensorError) as error:
        raise DamagedError(f"{folder} is damaged: {' '.join(str(error).split())}") from None
    return Checkpoint(tensors, state)


def load_weights(folder: Path) -> Tensors:
    """Read the weights of a checkpoint.

    :raises DamagedError: as ``load``, and for a checkpoint without weights
    """
    tensors = load(folder).tensors
    if "model" not in tensors:
        raise DamagedError(f"{folder} is damaged: it holds no weights")
    return tensors["model"]


class Store:
    """The checkpoints of one run, named by their step; the last ``KEPT`` are kept."""

    def __init__(self, folder: Path, saved: Callable[[int], None] = lambda step: None) -> None:
        """Keep checkpoints in ``folder``.

        :param saved: called with the step of each checkpoint that is written
        """
        self.folder = folder
        self.saved = saved

    def _folders(self) -> list[Path]:
        return sorted(p for p in self.folder.glob("[0-9]*") if p.is_dir() and p.name.isdigit())

    def save(self, step: int, checkpoint: Checkpoint) -> None:
        """Write the checkpoint of a step, then remove older ones, and newer ones that could not be read."""
        made = self.folder / f"{step:010d}"
        save(made, checkpoint)
        self.saved(step)
        kept = [folder for folder in self._folders() if folder <= made][-KEPT:]
        for other in self._folders():
            if other not in kept:
                remove_folder(other)

    def latest(self) -> tuple[Checkpoint | None, list[str]]:
        """The newest intact checkpoint (None if there is none yet), and the errors of newer ones.

        :raises DamagedError: if there are checkpoints but none is intact
        """
        wrong: list[str] = []
        for folder in reversed(self._folders()):
            try:
                return load(folder), wrong
            except DamagedError as error:
                wrong.append(str(error))
        if wrong:
            raise DamagedError(f"no intact checkpoint is left in {self.folder}: {'; '.join(wrong)}")
        return None, wrong
