"""Encoder and decoder of a model as modules without randomness, and as programs of ``torch.export``."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.overrides import TorchFunctionMode

from vaebench.contracts import Given
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.noise import Noise
from vaebench.pictures.latents import Centre, unmoved
from vaebench.text import one_line


class _Drawn(Exception):  # noqa: N818
    """Something was drawn where a program must be deterministic."""


class _NoNoise(Noise):
    def normal(self, like: Tensor) -> Tensor:
        raise _Drawn

    def uniform(self, like: Tensor) -> Tensor:
        raise _Drawn


class _Whole(TorchFunctionMode):
    """A batch of any size is not cut into pieces: how many there are would depend on its size."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        pieces = func is Tensor.split and isinstance(args[1], int) and kwargs.get("dim", 0) == 0
        if pieces and isinstance(args[0].shape[0], torch.SymInt):
            return (args[0],)
        return func(*args, **kwargs)


class Encoder(nn.Module):
    """Integer images (B, C, H, W), as int64, -> the latents of each group: posterior means or codes."""

    def __init__(self, model: Vae) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        model = self.model
        features = model.encoder(model.normalise(x))
        walk = model.latent.walk(features, Centre(unmoved(model)), model.prior, _NoNoise(), x.shape[0])
        return tuple(term.z for term in walk.terms)


class Decoder(nn.Module):
    """The latents of each group -> E[x|z], reals (B, C, H, W) in 0 .. levels-1."""

    def __init__(self, model: Vae) -> None:
        super().__init__()
        self.model = model

    def forward(self, latents: tuple[Tensor, ...]) -> Tensor:
        model, noise = self.model, _NoNoise()
        walk = model.latent.walk(None, Given(latents), model.prior, noise, latents[0].shape[0])
        return model.decoder.mean(walk.features, model.output, noise)


def deterministic(module: nn.Module, given: object, what: str) -> tuple[Tensor, ...]:
    """What a module makes of an input; UsageError where it draws anything on the way."""
    try:
        made: tuple[Tensor, ...] = module(given)
    except _Drawn:
        raise UsageError(
            f"{what} cannot be exported: it draws what it gives, as an autoregressive decoder does pixel "
            "after pixel, and a program must be deterministic"
        ) from None
    return made


def program(module: nn.Module, given: object, dynamic: object) -> ExportedProgram:
    """The program of a module, for any batch.

    Tracing by running is tried first, and where Python's own ``len`` fixes the batch, tracing of the code.
    """
    reason = ""
    for strict in (False, True):
        try:
            with _Whole():
                return torch.export.export(module, (given,), dynamic_shapes=(dynamic,), strict=strict)
        except Exception as error:  # torch raises what it likes for code that it cannot follow
            reason = reason or one_line(str(error).split("Suggested fixes")[0].strip())
    raise UsageError(f"torch.export cannot follow this model's {type(module).__name__.lower()}: {reason}")


def compare(
    programs: tuple[ExportedProgram, ExportedProgram], encoder: Encoder, decoder: Decoder, x: Tensor
) -> None:
    """Refuse programs that do not give what the model gives for a batch of another size."""
    latents = encoder(x)
    wanted = (*latents, decoder(latents))
    given = (*programs[0].module()(x), programs[1].module()(latents))
    if not all(torch.allclose(a, b, rtol=1e-4, atol=1e-4) for a, b in zip(given, wanted, strict=True)):
        raise UsageError("torch.export made programs that do not give what this model gives: none is written")
