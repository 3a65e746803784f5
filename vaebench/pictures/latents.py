"""Latents for pictures: groups by name, posterior means of images, mean and scale of the prior."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench.contracts import Given, Group, Source, Term
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.errors import UsageError
from vaebench.evaluation.draws import Draws
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise
from vaebench.text import nearest, one_line

PRIOR_DRAWS = 1000
"""How many draws estimate the moments of a prior that is not normal."""


@dataclass(frozen=True)
class Centre(Source):
    """A source of given latents, by group; for None, the posterior's mean, or a draw if it has no mean."""

    latents: Sequence[Tensor | None]

    def pick(self, index: int, q: Distribution | None, p: Distribution, noise: Noise) -> Tensor:
        z = self.latents[index]
        if z is not None:
            return z
        if q is None:
            raise ValueError("latents can be inferred only from an image")
        return q.sample(noise) if q.mean is None else q.mean


def numbered(groups: Sequence[Group], name: str | None) -> int:
    """The number of the group called ``name``; the root for None.

    :raises UsageError: for an unknown name, or a model without latents
    """
    if not groups:
        raise UsageError("this model has no latents to make a picture of")
    names = [group.name for group in groups]
    if name is None:
        return 0
    if name not in names:
        raise UsageError(
            f"there is no group {one_line(name)}; groups are {', '.join(names)}{nearest(name, names)}"
        )
    return names.index(name)


def unmoved(model: Vae) -> list[Tensor | None]:
    """One None per group, so that all latents are inferred."""
    return [None for _ in model.latent.groups]


@torch.inference_mode()
def inferred(model: Vae, images: Tensor, draws: Draws) -> Iterator[list[Term]]:
    """Infer the terms of integer images (N, C, H, W), ``draws.rows`` at a time; ``Centre`` picks z."""
    device = next(model.parameters()).device
    for numbers in torch.arange(len(images)).split(draws.rows):
        noise = ImageNoise(draws.seed, numbers.to(device))
        features = model.encoder(model.normalise(images[numbers].to(device)))
        yield model.latent.walk(features, Centre(unmoved(model)), model.prior, noise, len(numbers)).terms


def centres(model: Vae, images: Tensor, group: int, draws: Draws) -> Tensor:
    """Posterior means of a group (draws if it has none) or its codes, (N, *group.shape), on the CPU."""
    return torch.cat([terms[group].z.cpu() for terms in inferred(model, images, draws)])


@torch.inference_mode()
def prior_units(model: Vae, above: Sequence[Tensor], group: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of p(z_group | groups above), each of the group's shape.

    Exact for a diagonal normal; for any other prior, estimated from ``PRIOR_DRAWS`` draws.

    :param above: latents of the groups above, each (1, *shape)
    """
    device = next(model.parameters()).device
    drawn = []
    for numbers in torch.arange(PRIOR_DRAWS).split(draws.rows):
        count, noise = len(numbers), ImageNoise(draws.seed, numbers.to(device))
        given = Given([z.expand(count, *z.shape[1:]) for z in above])
        term = model.latent.walk(None, given, model.prior, noise, count).terms[group]
        if isinstance(term.p, DiagonalNormal):
            return term.p.location[0], term.p.log_std[0].exp()
        drawn.append(term.z)
    z = torch.cat(drawn)
    return z.mean(0), z.std(0)
