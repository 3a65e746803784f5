"""Conversion of other projects' weights to vaebench's parameter names, one project per file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from torch import Tensor

from vaebench.imports import vdvae


@dataclass(frozen=True)
class Project:
    """Another project: the conversion of its tensors, and recipes of the networks that it released."""

    translated: Callable[[Mapping[str, Tensor]], dict[str, Tensor]]
    layouts: Mapping[str, str]
    """Layout -> shipped recipe."""


PROJECTS: Mapping[str, Project] = {
    "vdvae": Project(
        vdvae.translated, {n: f"vdvae-{n}" for n in ("cifar10", "imagenet32", "imagenet64", "ffhq256")}
    )
}
