"""The very deep VAE's reference vectors, and the composition that each was made with."""

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from safetensors import safe_open
from torch import Tensor

from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import Choice, Spec
from vaebench.contracts import ImageShape
from vaebench.imports import vdvae
from vaebench.model import Vae

NAMES = ("vdvae_tiny", "vdvae_mapped")


@dataclass(frozen=True)
class Golden:
    """One file: its hyper-parameters, and its tensors by name."""

    config: dict[str, Any]
    tensors: dict[str, Tensor]

    @property
    def image(self) -> ImageShape:
        return ImageShape(3, self.config["image_size"], self.config["image_size"])

    @property
    def parameters(self) -> dict[str, Tensor]:
        """Under the released checkpoints' names."""
        return {k.removeprefix("param/"): v for k, v in self.tensors.items() if k.startswith("param/")}

    @property
    def images(self) -> Tensor:
        """Integers 0 .. 255."""
        return ((self.tensors["target_nhwc"].permute(0, 3, 1, 2) + 1) * 127.5).round().long()

    @property
    def spec(self) -> Spec:
        config = self.config
        encoder = {"blocks": config["enc_blocks"], "width": config["width"]}
        if config["custom_width_str"]:
            encoder["widths"] = config["custom_width_str"]
        latent = {
            "blocks": config["dec_blocks"],
            "z_channels": config["zdim"],
            "bottleneck": config["bottleneck_multiple"],
            "no_bias_above": config["no_bias_above"],
        }
        return Spec(
            {
                "enc": Choice("vdvae", {**encoder, "bottleneck": config["bottleneck_multiple"]}),
                "latent": Choice("topdown", latent),
                "lik": Choice("logistic-mixture", {"components": config["num_mixtures"]}),
            }
        )

    def model(self) -> Vae:
        """The composition with the reference's weights, in float64; the parts suggest what is open."""
        model = resolve(self.spec, registry.load(), self.image).build().double().eval()
        model.load_state_dict(vdvae.translated(self.parameters))
        return model


def read(name: str) -> Golden:
    """A file of reference vectors; the test that asks for it skips where it is absent."""
    folder = os.environ.get("VAEBENCH_GOLDEN") or Path(__file__).parents[2] / "shared" / "golden"
    path = Path(folder) / f"{name}.safetensors"
    if not path.exists():
        pytest.skip(f"no reference vectors at {path}: set VAEBENCH_GOLDEN")
    with safe_open(path, "pt") as file:
        return Golden(json.loads(file.metadata()["config"]), {k: file.get_tensor(k) for k in file.keys()})  # noqa: SIM118
