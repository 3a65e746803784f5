"""Decoded paths through latent space: from one test image to another, and along single dimensions."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from vaebench.contracts import Dataset, Given
from vaebench.errors import UsageError
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.subset import evenly_spaced
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise
from vaebench.pictures.grid import labelled_png
from vaebench.pictures.latents import Centre, centres, prior_units, unmoved

REACH = 3.0
"""The range of a traversal to either side, in standard deviations of the prior."""
VARIANCE_OVER = 2000
"""The most test images over which the variance of a dimension is computed."""


def _between(ends: Tensor, share: Tensor) -> Tensor:
    """Interpolate from ends[0] to ends[1], (S, ...), at shares (S,); exact at 0 and 1."""
    return torch.lerp(ends[0], ends[1], share.to(ends).view(-1, *[1] * (ends.dim() - 1)))


def _decoded(
    model: Vae,
    features: tuple[Tensor, ...] | None,
    latents: Sequence[Tensor | None],
    zero: Collection[int],
    noise: Noise,
    count: int,
) -> Tensor:
    source = Given(latents) if features is None else Centre(latents)
    decoder_features = model.latent.walk(features, source, model.prior, noise, count).features
    for group in zero:
        try:
            decoder_features = model.latent.without(decoder_features, group)
        except NotImplementedError as error:
            raise UsageError(f"this model cannot leave out a group: {error}") from None
    return model.decoder.mean(decoder_features, model.output, noise).cpu()


@torch.inference_mode()
def morph(
    model: Vae,
    ends: Tensor,
    steps: int,
    draws: Draws,
    *,
    moving: Collection[int],
    zero: Collection[int] = (),
    number: int = 0,
) -> Tensor:
    """Interpolate between the latents of two images; return real-valued images (steps, C, H, W).

    Real-valued latents are interpolated linearly between posterior means. Codes are interpolated before
    quantisation: the feature maps of the encoder are interpolated, and the latent layer quantises the result.
    Groups that do not move keep the latents of the first image. All steps share their noise.

    :param ends: two integer images, (2, C, H, W)
    :param moving: numbers of the groups that move
    :param zero: numbers of the groups whose direct contribution to the decoder is set to zero
    :param number: number of the path, which selects its noise
    """
    device = next(model.parameters()).device
    groups = model.latent.groups
    features = model.encoder(model.normalise(ends.to(device)))
    both = ImageNoise(draws.seed, torch.full((2,), number, device=device))
    walk = model.latent.walk(features, Centre(unmoved(model)), model.prior, both, 2)
    quantised = any(groups[g].codes is not None for g in moving)

    def along(index: int, z: Tensor, share: Tensor) -> Tensor | None:
        if index not in moving:
            return z[:1].expand(len(share), *z.shape[1:])
        return None if groups[index].codes is not None else _between(z, share)

    images = []
    for share in torch.linspace(0, 1, steps, dtype=torch.float64).split(draws.rows):
        latents = [along(index, term.z, share) for index, term in enumerate(walk.terms)]
        maps = tuple(_between(feature, share) for feature in features) if quantised else None
        noise = ImageNoise(draws.seed, torch.full((len(share),), number, device=device))
        images.append(_decoded(model, maps, latents, zero, noise, len(share)))
    return torch.cat(images)


@torch.inference_mode()
def traverse(
    model: Vae,
    image: Tensor,
    group: int,
    dimensions: Sequence[int],
    values: Tensor,
    draws: Draws,
) -> Tensor:
    """Decode an image's posterior means with one dimension at a time set to each of ``values``.

    Returns real-valued images (D, S, C, H, W).

    :param image: an integer image, (1, C, H, W)
    :param dimensions: D indices into the flattened, real-valued group
    :param values: (S,) in standard deviations of the prior from its mean, given the groups above
    """
    device = next(model.parameters()).device
    noise = ImageNoise(draws.seed, torch.zeros(1, dtype=torch.int64, device=device))
    features = model.encoder(model.normalise(image.to(device)))
    walk = model.latent.walk(features, Centre(unmoved(model)), model.prior, noise, 1)
    latents = [term.z for term in walk.terms]
    mean, std = (moment.flatten() for moment in prior_units(model, latents[:group], group, draws))
    places = torch.tensor(dimensions, device=device).repeat_interleave(len(values))
    moved = mean[places] + std[places] * values.to(mean).repeat(len(dimensions))
    decoded = []
    for place, value in zip(places.split(draws.rows), moved.split(draws.rows), strict=True):
        count = len(place)
        held = [z.expand(count, *z.shape[1:]) for z in latents]
        flat = held[group].flatten(1).clone()
        flat[torch.arange(count, device=device), place] = value.to(flat)
        held[group] = flat.view_as(held[group])
        same = ImageNoise(draws.seed, torch.zeros(count, dtype=torch.int64, device=device))
        decoded.append(_decoded(model, None, held, (), same, count))
    return torch.cat(decoded).unflatten(0, (len(dimensions), len(values)))


def morph_png(
    model: Vae,
    data: Dataset,
    pairs: int,
    steps: int,
    moving: Collection[int],
    zero: Collection[int],
    draws: Draws,
) -> bytes:
    """A PNG with a row per random pair of test images: image A, the path from A to B, image B.

    :raises UsageError: for fewer than two test images
    """
    images = data.test.images
    if len(images) < 2:
        raise UsageError(f"a path needs at least two test images; there are {len(images)}")
    chance = torch.Generator().manual_seed(draws.seed)
    shown, down = [], []
    for number in range(pairs):
        pair = torch.randperm(len(images), generator=chance)[:2]
        path = morph(model, images[pair], steps, draws, moving=moving, zero=zero, number=number)
        ends = images[pair].to(path)
        shown += [ends[:1], path, ends[1:]]
        down.append(f"{pair[0]} to {pair[1]}")
    groups = model.latent.groups
    every = len(moving) == len(groups) > 1
    through = "all groups" if every else ", ".join(groups[g].name for g in sorted(moving))
    title = [f"from test image A to B through {through}"]
    if zero:
        title.append(f"without {', '.join(groups[g].name for g in sorted(zero))}")
    across = ["A", *(f"{share:.3g}" for share in torch.linspace(0, 1, steps).tolist()), "B"]
    return labelled_png(torch.cat(shown), data.image.levels, across, down, "; ".join(title))


def traverse_png(
    model: Vae,
    data: Dataset,
    image: int,
    group: int,
    dimensions: int | None,
    steps: int,
    draws: Draws,
) -> bytes:
    """A PNG with a row per dimension of a group, those with the largest variance of posterior means first.

    :raises UsageError: for a group of codes, or an image or more dimensions than there are
    """
    chosen = model.latent.groups[group]
    images = data.test.images
    if chosen.codes is not None:
        raise UsageError(
            f"group {chosen.name} holds codes, which have no dimensions to traverse; try vaebench morph"
        )
    if image >= len(images):
        raise UsageError(f"there is no test image {image}; the last is {len(images) - 1}")
    over = images[evenly_spaced(len(images), VARIANCE_OVER)]
    variance = centres(model, over, group, draws).flatten(1).double().var(0, correction=0)
    if dimensions is not None and dimensions > len(variance):
        raise UsageError(f"group {chosen.name} has {len(variance)} dimensions, fewer than {dimensions} rows")
    most = variance.argsort(descending=True, stable=True)[: dimensions or 10].tolist()
    values = torch.linspace(-REACH, REACH, steps, dtype=torch.float64)
    start = images[image : image + 1]
    moved = traverse(model, start, group, most, values, draws)
    shown = torch.cat([start.to(moved).expand(len(most), 1, -1, -1, -1), moved], 1).flatten(0, 1)
    down = [f"{_place(place, chosen.shape)}  var {variance[place]:.2g}" for place in most]
    across = ["image", *(f"{value:.3g}" for value in values.tolist())]
    title = (
        f"test image {image}, one dimension of {chosen.name} per row, in standard deviations of the prior; "
        f"var: variance of posterior means over {len(over)} test images"
    )
    return labelled_png(shown, data.image.levels, across, down, title)


def _place(flat: int, shape: tuple[int, ...]) -> str:
    """The index of a flat position in a group; a single number for a vector."""
    if len(shape) < 2 or all(side == 1 for side in shape[1:]):
        return str(flat)
    return ",".join(str(int(i)) for i in torch.unravel_index(torch.tensor(flat), shape))
