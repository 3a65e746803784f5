"""What a run starts from: another run's weights, or a file's, kept in its own folder."""

from collections.abc import Mapping
from pathlib import Path

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from vaebench import records
from vaebench.contracts import ImageShape
from vaebench.errors import DamagedError, UsageError
from vaebench.requests.request import Base
from vaebench.run.folder import RunFolder
from vaebench.text import one_line
from vaebench.training import checkpoint
from vaebench.training.checkpoint import Checkpoint

_NAMED = 3
_IMAGE = "image"


def base_of(folder: RunFolder, *, frozen: bool) -> Base:
    """A finished or imported run as what another starts from; UsageError where it has no weights."""
    base = folder.request().base
    if folder.weights.is_dir() and folder.record.exists():
        done = records.read(folder.record)
        if done.weights_sha256 is None:
            raise UsageError(f"{folder.path} diverged: it has no weights to start from")
        return Base(weights_sha256=done.weights_sha256, command=done.command, frozen=frozen)
    if base is not None and imported(folder):
        return Base(weights_sha256=base.weights_sha256, command=base.command, frozen=frozen)
    raise UsageError(f"{folder.path} is not finished: vaebench run --resume --out {folder.path}")


def imported(folder: RunFolder) -> bool:
    """Whether a folder holds weights that were brought from elsewhere, and no training of its own."""
    return folder.weights.is_dir() and _IMAGE in checkpoint.load(folder.weights).state


def save_imported(folder: RunFolder, weights: Mapping[str, Tensor], image: ImageShape) -> None:
    """Make weights both a run's own and what its training starts from."""
    about = {_IMAGE: [image.channels, image.height, image.width, image.levels]}
    for place in (folder.start, folder.weights):
        checkpoint.save(place, Checkpoint({"model": weights}, about))


def check(base: RunFolder, model: nn.Module, image: ImageShape) -> None:
    """UsageError where a run's images are not like these, or its weights not a model's."""
    seen = image_of(base)
    if seen is not None and seen != image:
        raise UsageError(f"{base.path} was trained on {_words(seen)}; these are {_words(image)}")
    refuse_unfit(model, checkpoint.load_weights(base.weights), str(base.path))


def keep(base: RunFolder, folder: RunFolder) -> None:
    """Copy a run's weights into a folder that is no run's yet, for it to start from."""
    if not (folder.request_file.exists() and folder.start.is_dir()):
        checkpoint.save(folder.start, checkpoint.load(base.weights))


def weights(folder: RunFolder) -> Mapping[str, Tensor]:
    """What a run starts from; DamagedError where that is not what it was asked to start from."""
    found = checkpoint.load_weights(folder.start)
    base = folder.request().base
    if base is None or checkpoint.weights_sha256(found) != base.weights_sha256:
        raise DamagedError(f"{folder.start} does not hold the weights that this run starts from")
    return found


def take(model: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Give a model the weights of a folder.

    :raises DamagedError: where they are another composition's
    """
    try:
        refuse_unfit(model, weights, str(folder))
    except UsageError as error:
        raise DamagedError(f"{error}: it holds the weights of another composition") from None
    model.load_state_dict(weights)


def refuse_unfit(model: nn.Module, tensors: Mapping[str, Tensor], whose: str) -> None:
    """UsageError, with the first few names, where tensors are not just those of a model."""
    own = model.state_dict()
    shapes = [n for n, t in tensors.items() if n in own and own[n].shape != t.shape]
    for what, names in (
        ("lacks", [name for name in own if name not in tensors]),
        ("has what this composition does not", [name for name in tensors if name not in own]),
        (
            "differs in shape",
            [f"{n} {tuple(tensors[n].shape)}, here {tuple(own[n].shape)}" for n in shapes],
        ),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            shown = "; ".join(one_line(name) for name in names[:_NAMED])
            raise UsageError(f"{whose} {what}: {shown}{more}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Named tensors of a torch or safetensors file; nothing in it is executed.

    :raises UsageError: where it cannot be read, or holds anything but named tensors
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        found = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or one_line(error)}") from None
    except SafetensorError as error:
        raise UsageError(f"{path} is no safetensors file: {one_line(error)}") from None
    except Exception as error:  # torch raises what it likes for files that are not its own
        said = one_line(error).split(". ")[0]
        raise UsageError(f"{path} is no file of tensors alone, which is all that is read: {said}") from None
    if not isinstance(found, Mapping) or not found:
        raise UsageError(f"{path} holds no named tensors but {type(found).__name__}")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UsageError(
                f"{path}: {one_line(name)} is no tensor but {type(tensor).__name__}; weights are expected"
            )
    return dict(found)


def image_of(folder: RunFolder) -> ImageShape | None:
    """The shape of the images that a run's weights are for; None where neither record nor weights tell it."""
    if folder.record.exists():
        data = records.read(folder.record).data
        return ImageShape(data.channels, data.height, data.width, data.levels)
    said = checkpoint.load(folder.weights).state.get(_IMAGE)
    try:
        return ImageShape(*msgspec.convert(said, tuple[int, int, int, int])) if said else None
    except msgspec.ValidationError:
        raise DamagedError(f"{folder.weights} says of no images what they are like") from None


def _words(image: ImageShape) -> str:
    return f"images of {image.channels}x{image.height}x{image.width}, {image.levels} levels"
