"""Laws of encoders: they map an image to feature maps, from fine to coarse."""

import torch

from vaebench.contracts import ImageShape
from vaebench.testing.law import Law, close, hold
from vaebench.testing.refusals import refuses
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, Subject, random_images, shaken

CONTRACT = "vaebench/contracts.py, Encoder"


def levels_are_kept(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare the maps of both modes with ``levels``."""
    model = subject.model(image, parameters, seed)
    encoder = model.encoder
    x = model.normalise(random_images(image, 3, seed))
    for mode in (True, False):
        maps = encoder.train(mode)(x)
        hold(
            len(maps) == len(encoder.levels),
            "the number of maps that forward returns",
            len(maps),
            len(encoder.levels),
        )
        for i, (features, level) in enumerate(zip(maps, encoder.levels, strict=True)):
            due = (3, *level)
            hold(
                features.shape == due, f"the shape of map {i}, against its level", tuple(features.shape), due
            )
    sizes = [level.height * level.width for level in encoder.levels]
    hold(
        sizes == sorted(sizes, reverse=True), "the pixels of the levels, in order", sizes, sorted(sizes)[::-1]
    )


def every_pixel_is_seen(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Check that every pixel value has a gradient."""
    model = subject.model(image, parameters, seed).eval()
    shaken(model.encoder, seed)
    x = model.normalise(random_images(image, 4, seed)).requires_grad_()
    total = sum((m * torch.randn_like(m)).sum() for m in model.encoder(x))
    assert isinstance(total, torch.Tensor)
    (gradient,) = torch.autograd.grad(total, x)
    unseen = (gradient == 0).all(0).nonzero().tolist()
    hold(not unseen, "pixel values (c, i, j) that no feature depends on", unseen[:3], "none")


def encodes_alone(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare the features of images alone and in a batch."""
    model = subject.model(image, parameters, seed).eval()
    x = model.normalise(random_images(image, 3, seed))
    whole = model.encoder(x)
    for i in range(3):
        for a, b in zip(model.encoder(x[i : i + 1]), whole, strict=True):
            close(a, b[i : i + 1], "a feature of an image encoded alone, against in its batch")


def wrong_channels(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Call the encoder with one more channel."""
    model = subject.model(image, parameters, seed).eval()
    x = torch.zeros(2, image.channels + 1, image.height, image.width, dtype=torch.float64)
    due = {(image.channels,), (image.dims,)}
    given = {(image.channels + 1,), (image.dims + image.height * image.width,)}
    refuses(lambda: model.encoder(x), given, due)


def _blind(subject: Subject) -> str | None:
    offers = subject.target.offers
    return "it has no features, because the model has no latents" if "nothing" in offers else None


ENCODERS = (
    Law(
        "maps match the levels",
        "forward returns one map per level, of the level's shape, fine to coarse, in train and eval mode.",
        CONTRACT + ".levels",
        levels_are_kept,
        models,
    ),
    Law(
        "every pixel is seen",
        "Every pixel value affects some feature.",
        CONTRACT + ".forward",
        every_pixel_is_seen,
        models,
        unless=_blind,
    ),
    Law(
        "images are encoded alone",
        "In eval mode an image's features do not depend on its batch.",
        CONTRACT + ".forward",
        encodes_alone,
        models,
        tries=8,
    ),
    Law(
        "wrong channels are refused",
        "An image with another number of channels raises an error that names both numbers.",
        CONTRACT + ".forward",
        wrong_channels,
        models,
        tries=5,
        unless=_blind,
    ),
)
