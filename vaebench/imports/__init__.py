"""Weights of other projects under this one's names, one project per file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vaebench.imports import vdvae


@dataclass(frozen=True)
class Project:
    """Another project: its tensors -> the model's, and the recipes of the networks that it released."""

    translated: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    layouts: Mapping[str, str]
    """Layout -> shipped recipe."""


PROJECTS: Mapping[str, Project] = {
    "vdvae": Project(
        vdvae.translated, {n: f"vdvae-{n}" for n in ("cifar10", "imagenet32", "imagenet64", "ffhq256")}
    )
}
