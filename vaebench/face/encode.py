"""``vb.encode``: the latents of images as numpy arrays."""

import io
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset
from vaebench.errors import UsageError
from vaebench.evaluation.draws import Draws
from vaebench.face.arguments import model_of, path_of, seed_of, write
from vaebench.face.images import Images, as_images, split_of
from vaebench.face.origin import check_image, dataset_of, origin_of
from vaebench.model import Vae
from vaebench.pictures.latents import inferred

if TYPE_CHECKING:
    from vaebench.face.run import Run

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Latents:
    """The latents of N images, and what is known of the images."""

    groups: Mapping[str, Array]
    """Name of a group, root first -> (N, *shape): reals float32, codes int64."""
    labels: Array | None = None
    """(N,) classes, int64; None where the images have none."""
    names: tuple[str, ...] = ()
    """The images' file names; empty where they come from no files."""
    classes: tuple[str, ...] = field(default=())
    """The names of the classes, by number; empty where they have none."""

    def __getitem__(self, group: str | int) -> Array:
        """The latents of a group by its name, or by its number, the root's being 0."""
        return self.groups[group] if isinstance(group, str) else list(self.groups.values())[group]

    def __len__(self) -> int:
        return len(self[0])

    @property
    def flat(self) -> Array:
        """(N, D): all groups side by side, each flattened."""
        return np.concatenate([z.reshape(len(z), -1) for z in self.groups.values()], 1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a file that ``numpy.load`` reads.

        It holds ``latents/NAME`` of each group, and of ``labels``, ``names`` and ``classes`` what is known.
        """
        arrays = {f"latents/{name}": z for name, z in self.groups.items()}
        arrays |= {} if self.labels is None else {"labels": self.labels}
        arrays |= {n: np.array(v) for n, v in (("names", self.names), ("classes", self.classes)) if v}
        file = io.BytesIO()
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
        write(path_of("path", path), file.getvalue())


def encode(
    model: "Vae | Run",
    data: "str | Dataset | Images | None" = None,
    *,
    split: str = "test",
    seed: int = 0,
) -> Latents:
    """Encode images: the posterior mean of each group of reals, the codes of each group of codes.

    In a hierarchy each group is inferred given the means of the groups above. Nothing is drawn, except for a
    posterior without a mean, of which one draw is taken from ``seed``.

    :param model: a composed or trained model, or a run
    :param data: integer images (N, C, H, W) as a tensor or an array, a data set by name, or a ``vb.Dataset``;
        default: the model's own data
    :param split: ``train``, ``validation`` or ``test``, where the data have splits
    :param seed: random seed of what a posterior without a mean draws
    :raises VaebenchError: in one line, for images that the model is not made for, or a model without latents

    >>> import vaebench as vb
    >>> model = vb.compose("enc=mlp,latent=gaussian,latent.dim=3")
    >>> latents = vb.encode(model)
    >>> latents["z"].shape, latents.labels.shape
    ((360, 3, 1, 1), (360,))
    """
    inner, seed = model_of(model), seed_of(seed)
    origin = origin_of(inner)
    if not inner.latent.groups:
        raise UsageError("this model has no latents to encode images in")
    draws = Draws(seed, origin.scoring.score_batch)
    if isinstance(data, Tensor | np.ndarray):
        return Latents(_groups(inner, as_images(data, inner.image), draws))
    dataset = dataset_of(data, origin)
    check_image(inner, dataset)
    images, labels = split_of(dataset, split)
    return Latents(
        _groups(inner, images, draws),
        None if labels is None else labels.numpy(),
        tuple(dataset.names.get(split, ())),
        dataset.classes,
    )


def _groups(model: Vae, images: Tensor, draws: Draws) -> dict[str, Array]:
    """Each group's latents of integer images, inferred in evaluation mode."""
    with model.evaluating():
        batches = [[term.z.cpu() for term in terms] for terms in inferred(model, images, draws)]
    latents = [torch.cat(pieces) for pieces in zip(*batches, strict=True)]
    return {group.name: z.numpy() for group, z in zip(model.latent.groups, latents, strict=True)}
