"""``vb.export``: encoder and decoder of a model as programs that ``torch.export`` writes."""

import copy
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch.export import Dim

from vaebench.errors import UsageError
from vaebench.face.arguments import model_of, path_of, write
from vaebench.face.generator import kept
from vaebench.face.origin import origin_of
from vaebench.face.programs import Decoder, Encoder, compare, deterministic, program
from vaebench.model import Vae
from vaebench.storage.strict_json import strict

if TYPE_CHECKING:
    from vaebench.face.run import Run

FILES = ("encoder.pt2", "decoder.pt2")
"""The programs that are written."""
_BATCH = 3
"""Images with which the programs are traced; a program takes any number."""


def export(model: "Vae | Run", out: str | os.PathLike[str]) -> tuple[Path, Path]:
    """Write the encoder and the decoder of a model as two programs that need no vaebench to run.

    ``encoder.pt2`` takes integer images (B, C, H, W) as int64 and gives a tuple, one tensor (B, *shape) a
    group, root first: posterior means of reals, codes of codes. ``decoder.pt2`` takes such a tuple and gives
    E[x|z], reals (B, C, H, W) in 0 .. levels-1. B is free. Both are deterministic, in evaluation mode and on
    the CPU; ``torch.export.passes.move_to_device_pass`` moves them. The file ``vaebench.json`` inside each
    tells composition, image and groups.

    :param model: a composed or trained model, or a run
    :param out: the folder to write the two files into
    :raises VaebenchError: in one line, where the model has no latents, or draws its means (an autoregressive
        decoder)

    >>> import torch, vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian")
    >>> encoder, decoder = vb.export(model, "exported")
    >>> z = torch.export.load(encoder).module()(torch.zeros(5, 1, 8, 8, dtype=torch.int64))
    >>> torch.export.load(decoder).module()(z).shape
    torch.Size([5, 1, 8, 8])
    """
    inner, folder = model_of(model), path_of("out", out)
    origin_of(inner)
    image, groups = inner.image, inner.latent.groups
    if not groups:
        raise UsageError("this model has no latents: there is nothing to encode or to decode")
    device = next(inner.parameters()).device
    traced = inner if device.type == "cpu" else copy.deepcopy(inner).cpu()
    x = torch.zeros(_BATCH, image.channels, image.height, image.width, dtype=torch.int64)
    with traced.evaluating(), kept(device), torch.no_grad():
        encoder, decoder = Encoder(traced), Decoder(traced)
        latents = deterministic(encoder, x, f"encoder={_name(inner, 'enc')}")
        deterministic(decoder, latents, f"decoder={_name(inner, 'dec')}")
        batch = Dim("batch")
        programs = (
            program(encoder, x, {0: batch}),
            program(decoder, latents, tuple({0: batch} for _ in groups)),
        )
        compare(programs, encoder, decoder, torch.randint(image.levels, (2 * _BATCH, *x.shape[1:])).to(x))
    about = {
        "composition": inner.spec,
        "image": {
            "channels": image.channels,
            "height": image.height,
            "width": image.width,
            "levels": image.levels,
        },
        "groups": [{"name": g.name, "shape": list(g.shape), "codes": g.codes} for g in groups],
    }
    paths = [folder / name for name in FILES]
    for path, each in zip(paths, programs, strict=True):
        file = io.BytesIO()
        torch.export.save(each, file, extra_files={"vaebench.json": strict(about)})
        write(path, file.getvalue())
    return paths[0], paths[1]


def _name(model: Vae, slot: str) -> str:
    return next((w.partition("=")[2] for w in model.spec.split(",") if w.startswith(f"{slot}=")), "?")
