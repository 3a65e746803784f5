"""openai/vdvae (Child 2021): its parameter names, in plain or averaged (EMA) checkpoints."""

import re
from collections.abc import Mapping

from torch import Tensor

_NAMES = tuple(
    (re.compile(pattern), here)
    for pattern, here in (
        (r"encoder\.in_conv\.(\w+)", r"encoder.stem.\1"),
        (r"encoder\.enc_blocks\.(.+)", r"encoder.blocks.\1"),
        (r"decoder\.dec_blocks\.(\d+)\.enc\.(.+)", r"latent.blocks.\1.posterior.\2"),
        (r"decoder\.dec_blocks\.(\d+)\.(prior|z_proj)\.(.+)", r"latent.blocks.\1.\2.\3"),
        (r"decoder\.dec_blocks\.(\d+)\.resnet\.(.+)", r"latent.blocks.\1.residual.\2"),
        (r"decoder\.(gain|bias)", r"decoder.\1"),
        (r"decoder\.out_net\.out_conv\.(\w+)", r"output.head.\1"),
    )
)
_START = re.compile(r"decoder\.bias_xs\.\d+")


def translated(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename tensors for ``enc=vdvae,latent=topdown,prior=own,dec=vdvae``; unknown names stay as they are.

    The project numbers its start states from coarse to fine; vaebench names them by the longer side of their
    map.
    """
    return {_here(name.removeprefix("module."), tensor): tensor for name, tensor in weights.items()}


def _here(name: str, tensor: Tensor) -> str:
    if _START.fullmatch(name) and tensor.dim() == 4:
        return f"latent.start.{max(tensor.shape[2:])}"
    for pattern, here in _NAMES:
        if pattern.fullmatch(name):
            return pattern.sub(here, name)
    return name
