"""Laws of likelihoods: distributions over the integers 0 .. levels-1."""

import math
from functools import partial
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape, Likelihood
from vaebench.errors import UsageError
from vaebench.noise import TorchNoise
from vaebench.testing import strategies
from vaebench.testing.law import Law, NotTriedError, close, hold
from vaebench.testing.refusals import refuses
from vaebench.testing.subject import PartSubject, Subject, every_image, random_images

CONTRACT = "vaebench/contracts.py, Likelihood"
SPREADS = (1.0, 0.0, 5.0, 30.0, 300.0)
SHIFTS = (0.0, -20.0, 20.0)


def made(subject: PartSubject, image: ImageShape, parameters: dict[str, Any], seed: int = 0) -> Likelihood:
    """Build the likelihood in float64.

    :raises NotTriedError: where its constructor refuses the parameters
    """
    torch.manual_seed(seed)
    try:
        return subject.target(image, **parameters).double()
    except UsageError as error:
        raise NotTriedError(str(error)) from error


def drawn(likelihood: Likelihood, seed: int, spread: float, shift: float = 0.0, batch: int = 1) -> Tensor:
    """Draw parameters (batch, channels, H, W) from a normal with this deviation and mean, float64."""
    image = likelihood.image
    generator = torch.Generator().manual_seed(seed)
    shape = (batch, likelihood.channels, image.height, image.width)
    return spread * torch.randn(shape, generator=generator, dtype=torch.float64) + shift


def _cases(subject: Subject, shapes: st.SearchStrategy[ImageShape]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "image": shapes,
            "parameters": strategies.parameters(subject.target),
            "seed": strategies.seeds,
            "spread": st.sampled_from(SPREADS),
            "shift": st.sampled_from(SHIFTS),
        }
    )


def of_one_pixel(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of one pixel, with at most 4096 values in all colours."""
    assert isinstance(subject, PartSubject)
    shapes = [ImageShape(c, 1, 1, n) for c, n in subject.kinds_of_image if n**c <= 4096]
    return _cases(subject, st.sampled_from(shapes))


def of_tiny_images(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of which all images can be listed; coupled colours often."""
    assert isinstance(subject, PartSubject)
    tiny = strategies.tiny_images(subject)
    coupled = tiny.filter(lambda image: image.channels > 1)
    takes_colour = any(channels > 1 for channels, _ in subject.kinds_of_image)
    return _cases(subject, st.one_of(coupled, tiny) if takes_colour else tiny)


def of_images(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples with sides up to 4 pixels."""
    assert isinstance(subject, PartSubject)
    return _cases(subject, strategies.images(subject, largest=4))


def sums_to_one(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Sum exp(log_prob) over all images."""
    likelihood = made(subject, image, parameters)
    every = every_image(image)
    params = drawn(likelihood, seed, spread, shift).expand(len(every), -1, -1, -1)
    total = likelihood.log_prob(params, every).logsumexp(0).exp()
    close(total, 1.0, f"the probabilities of all {len(every)} images sum to")


def impossible(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Score images with a value outside 0 .. levels-1."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, 1.0, batch=2)
    for wrong in (-1, image.levels, 10 * image.levels):
        x = random_images(image, 2, seed).long()
        x[1, -1, -1, -1] = wrong
        try:
            log_p = likelihood.log_prob(params, x)
        except (ValueError, IndexError):
            continue
        allowed = "log p of an allowed image in a batch with an impossible one"
        hold(log_p[0].isfinite(), allowed, log_p[0].item(), "a finite number")
        hold(log_p[1] == -torch.inf, f"log p of an image with the value {wrong}", log_p[1].item(), "-inf")


def is_a_mass(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Check sign and gradient of log p, at extreme parameters too."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, spread, shift, batch=3).requires_grad_()
    likely = likelihood.sample(params.detach(), TorchNoise())
    for what, x in (("a random", random_images(image, 3, seed)), ("a likely", likely)):
        log_p = likelihood.log_prob(params, x)
        hold(not log_p.isnan().any(), f"log p of {what} image is NaN", log_p, "numbers of at most 0")
        hold((log_p <= 1e-9).all(), f"log p of {what} image is above 0", log_p.max().item(), "at most 0")
        (gradient,) = torch.autograd.grad(log_p.sum(), params)
        hold(
            gradient.isfinite().all(),
            f"the gradient of log p of {what} image is not finite",
            gradient[~gradient.isfinite()],
            "finite numbers",
        )


def pixels_are_independent(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Change one pixel's parameters and compare log p of the others."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, spread, batch=2)
    x = random_images(image, 2, seed)
    pixels = likelihood.log_prob_pixels(params, x)
    close(
        pixels.flatten(1).sum(1),
        likelihood.log_prob(params, x),
        "the sum of log p over the pixels, against log p of the image",
        1e-9,
    )
    changed = params.clone()
    changed[:, :, -1, -1] += 1
    other = likelihood.log_prob_pixels(changed, x)
    mask = torch.ones(image.height, image.width, dtype=torch.bool)
    mask[-1, -1] = False
    close(
        other[:, :, mask], pixels[:, :, mask], "log p of pixels whose parameters did not change", 1e-12, 1e-12
    )


def colours_are_apart(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Change one block of parameters and compare log p of other colours."""
    likelihood = made(subject, image, parameters)
    c = image.channels
    hold(
        likelihood.channels % c == 0,
        "by_colour: the number of parameter channels",
        likelihood.channels,
        f"a multiple of {c}",
    )
    params = drawn(likelihood, seed, min(spread, 5.0), batch=2)
    x = random_images(image, 2, seed)
    before = likelihood.log_prob_pixels(params, x)
    shape = (2, c, image.height, image.width)
    hold(before.shape == shape, "by_colour: the shape of log p for each colour", tuple(before.shape), shape)
    for block in range(c):
        size = likelihood.channels // c
        changed = params.clone()
        changed[:, block * size : (block + 1) * size] += 1
        others = [i for i in range(c) if i != block]
        after = likelihood.log_prob_pixels(changed, x)
        close(
            after[:, others],
            before[:, others],
            f"block {block} of the parameters changes log p of another colour",
            1e-12,
            1e-12,
        )


def wrong_shapes_are_named(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Score images and parameters of wrong shapes."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, 1.0, batch=2)
    x = random_images(image, 2, seed)
    c, h, w = image.channels, image.height, image.width
    for wrong in ((2, c + 1, h, w), (2, c, h + 1, w), (2, c, h, w + 1), (3, c, h, w)):
        other = torch.zeros(wrong, dtype=torch.uint8)
        refuses(partial(likelihood.log_prob, params, other), wrong, tuple(x.shape))
    wrong = (2, likelihood.channels + 1, h, w)
    refuses(lambda: likelihood.log_prob(torch.zeros(wrong).double(), x), wrong, tuple(params.shape))


def precisions_agree(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Compare log p in float32 and float64."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, min(spread, 30.0), batch=2).float()
    x = random_images(image, 2, seed)
    single, double = likelihood.log_prob(params, x), likelihood.log_prob(params.double(), x)
    close(single, double, "log p in float32, against float64", 1e-4, 1e-3 * math.sqrt(image.dims))


def _not_by_colour(subject: Subject) -> str | None:
    return None if subject.target.by_colour else "its parameters are not grouped by colour"


LIKELIHOODS = (
    Law(
        "one pixel sums to one",
        "The probabilities of all values of a pixel sum to one, at any bit depth and for any parameters.",
        CONTRACT,
        sums_to_one,
        of_one_pixel,
        tries=60,
    ),
    Law(
        "all images sum to one",
        "The probabilities of all tiny images sum to one, coupled colours included.",
        CONTRACT,
        sums_to_one,
        of_tiny_images,
        tries=30,
    ),
    Law(
        "log p is at most zero",
        "log p of an integer image is at most 0, with a finite gradient, at extreme parameters too.",
        CONTRACT,
        is_a_mass,
        of_images,
        tries=40,
    ),
    Law(
        "impossible values have no probability",
        "An image with a value outside 0 .. levels-1 has log p = −∞ or raises an error.",
        CONTRACT + ".log_prob",
        impossible,
        of_images,
        tries=10,
    ),
    Law(
        "pixels are independent",
        "log p is the sum over pixels, and a pixel's parameters affect no other pixel.",
        CONTRACT + ".log_prob_pixels",
        pixels_are_independent,
        of_images,
        tries=20,
    ),
    Law(
        "each block sets one colour",
        "Where by_colour is set, block c of the parameters affects colour c only.",
        CONTRACT + ".by_colour",
        colours_are_apart,
        of_images,
        tries=10,
        unless=_not_by_colour,
    ),
    Law(
        "wrong shapes are refused",
        "Images or parameters of another shape raise an error that names both shapes.",
        CONTRACT + ".log_prob",
        wrong_shapes_are_named,
        of_images,
        tries=5,
    ),
    Law(
        "log p agrees in float32 and float64",
        "log p in float32 equals log p in float64 up to rounding.",
        CONTRACT,
        precisions_agree,
        of_images,
        tries=20,
    ),
)
