"""The weights from which a run starts, of another run or a file; they are copied into its folder."""

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
    """Describe a finished or imported run as the base from which another run starts.

    :raises UsageError: where it has no weights
    """
    base = folder.request().base
    if folder.weights.is_dir() and folder.record.exists():
        done = records.read(folder.record)
        if done.weights_sha256 is None:
            raise UsageError(f"the run in {folder.path} diverged, so it has no weights to start from")
        return Base(weights_sha256=done.weights_sha256, command=done.command, frozen=frozen)
    if base is not None and imported(folder):
        return Base(weights_sha256=base.weights_sha256, command=base.command, frozen=frozen)
    raise UsageError(
        f"the run in {folder.path} is not finished: finish it with vaebench run --resume --out {folder.path}"
    )


def imported(folder: RunFolder) -> bool:
    """Whether the weights in a folder were imported and not trained there."""
    return folder.weights.is_dir() and _IMAGE in checkpoint.load(folder.weights).state


def save_imported(folder: RunFolder, weights: Mapping[str, Tensor], image: ImageShape) -> None:
    """Save imported weights, both as a run's result and as the start of further training."""
    about = {_IMAGE: [image.channels, image.height, image.width, image.levels]}
    for place in (folder.start, folder.weights):
        checkpoint.save(place, Checkpoint({"model": weights}, about))


def check(base: RunFolder, model: nn.Module, image: ImageShape) -> None:
    """Check that a run's images have this shape and that its weights fit a model.

    :raises UsageError: where they do not
    """
    trained = image_of(base)
    if trained is not None and trained != image:
        raise UsageError(f"{base.path} was trained on {_words(trained)}, but the data are {_words(image)}")
    refuse_unfit(model, checkpoint.load_weights(base.weights), str(base.path))


def keep(base: RunFolder, folder: RunFolder) -> None:
    """Copy a run's weights into the folder of a new run, which starts from them."""
    if not (folder.request_file.exists() and folder.start.is_dir()):
        checkpoint.save(folder.start, checkpoint.load(base.weights))


def weights(folder: RunFolder) -> Mapping[str, Tensor]:
    """Load the weights from which a run starts.

    :raises DamagedError: where they are not the weights that the request names
    """
    tensors = checkpoint.load_weights(folder.start)
    base = folder.request().base
    if base is None or checkpoint.weights_sha256(tensors) != base.weights_sha256:
        raise DamagedError(f"{folder.start} does not contain the weights from which this run starts")
    return tensors


def take(model: nn.Module, weights: Mapping[str, Tensor], folder: Path) -> None:
    """Load the weights of a folder into a model.

    :raises DamagedError: where they belong to another composition
    """
    try:
        refuse_unfit(model, weights, str(folder))
    except UsageError as error:
        raise DamagedError(f"{error}: these are the weights of another composition") from None
    model.load_state_dict(weights)


def refuse_unfit(model: nn.Module, tensors: Mapping[str, Tensor], source: str) -> None:
    """Check that tensors have exactly the names and shapes of a model's weights.

    :param source: the file or folder of the tensors, for the message
    :raises UsageError: where they do not, with the first few names
    """
    own = model.state_dict()
    shapes = [n for n, t in tensors.items() if n in own and own[n].shape != t.shape]
    for what, names in (
        ("lacks", [name for name in own if name not in tensors]),
        ("has tensors that this composition lacks", [name for name in tensors if name not in own]),
        (
            "differs in shape",
            [f"{n} {tuple(tensors[n].shape)}, here {tuple(own[n].shape)}" for n in shapes],
        ),
    ):
        if names:
            more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
            shown = "; ".join(one_line(name) for name in names[:_NAMED])
            raise UsageError(f"{source} {what}: {shown}{more}")


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read the named tensors of a torch or safetensors file; no code in the file is executed.

    :raises UsageError: where it cannot be read, or contains anything but named tensors
    """
    try:
        if path.suffix == ".safetensors":
            return safetensors.torch.load_file(path)
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror or one_line(error)}") from None
    except SafetensorError as error:
        raise UsageError(f"{path} is not a safetensors file: {one_line(error)}") from None
    except Exception as error:  # torch raises errors of any type for files that are not its own
        reason = one_line(error).split(". ")[0]
        raise UsageError(f"{path} cannot be read as a torch file of tensors only: {reason}") from None
    if not isinstance(content, Mapping) or not content:
        raise UsageError(f"{path} contains {type(content).__name__}; named tensors are expected")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor):
            raise UsageError(
                f"{path}: {one_line(name)} is not a tensor but {type(tensor).__name__}; weights are expected"
            )
    return dict(content)


def image_of(folder: RunFolder) -> ImageShape | None:
    """The shape of the images that a run's weights are for; None where neither record nor weights tell it."""
    if folder.record.exists():
        data = records.read(folder.record).data
        return ImageShape(data.channels, data.height, data.width, data.levels)
    shape = checkpoint.load(folder.weights).state.get(_IMAGE)
    try:
        return ImageShape(*msgspec.convert(shape, tuple[int, int, int, int])) if shape else None
    except msgspec.ValidationError:
        raise DamagedError(f"{folder.weights} does not record its image shape") from None


def _words(image: ImageShape) -> str:
    return f"images of {image.channels}x{image.height}x{image.width}, {image.levels} levels"
