"""Laws of a likelihood's samples and means: they follow its probabilities."""

import math

import torch

from vaebench.contracts import ImageShape, Likelihood
from vaebench.noise import TorchNoise
from vaebench.testing.law import Law, close, hold
from vaebench.testing.laws.likelihoods import CONTRACT, drawn, made, of_images, of_tiny_images
from vaebench.testing.statistics import SIGMAS, agree
from vaebench.testing.subject import PartSubject, every_image, random_images

DRAWS, PIXELS = 1000, 16
NEAR = 0.2
"""How far the mean of coupled colours may be from the samples', as a share of levels − 1."""


def samples_follow(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Compare 10,000 samples with exp(log_prob) of all images."""
    likelihood = made(subject, image, parameters)
    every = every_image(image)
    params = drawn(likelihood, seed, min(spread, 1.0))
    p = likelihood.log_prob(params.expand(len(every), -1, -1, -1), every).exp()
    n = 10_000
    x = likelihood.sample(params.expand(n, -1, -1, -1), TorchNoise())
    hold(x.dtype == torch.int64, "the dtype of samples", x.dtype, torch.int64)
    weights = image.levels ** torch.arange(image.dims - 1, -1, -1)
    counts = torch.bincount((x.flatten(1) * weights).sum(1), minlength=len(every))
    agree(counts, p, "χ² of 10,000 samples, against the probabilities")


def works_on_one_pixel(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Score and sample the parameters of one pixel."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, spread, batch=3)
    x = likelihood.sample(params[:, :, :1, :1], TorchNoise())
    shape = (3, image.channels, 1, 1)
    hold(x.shape == shape, "the shape of a sample for the parameters of one pixel", tuple(x.shape), shape)
    whole = likelihood.log_prob_pixels(params, random_images(image, 3, seed))[:, :, :1, :1]
    alone = likelihood.log_prob_pixels(params[:, :, :1, :1], random_images(image, 3, seed)[:, :, :1, :1])
    close(alone, whole, "log p of a pixel alone, against the pixel in its image")


def mean_is_expectation(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int, spread: float, shift: float
) -> None:
    """Compare ``mean`` with Σ x p(x), or with samples for coupled colours."""
    likelihood = made(subject, image, parameters)
    params = drawn(likelihood, seed, spread, shift)
    mean = likelihood.mean(params)
    top = image.levels - 1
    ends = (mean.min().item(), mean.max().item())
    inside = ends[0] >= -1e-9 and ends[1] <= top * (1 + 1e-9)
    hold(inside, "the smallest and largest mean lie outside 0 .. levels-1", ends, f"0 .. {top}")
    if image.channels > 1 and not likelihood.by_colour:
        _coupled_means(likelihood, seed)
        return
    values = torch.arange(image.levels)
    every = values[:, None, None, None].expand(-1, image.channels, image.height, image.width)
    log_p = likelihood.log_prob_pixels(params.expand(len(every), -1, -1, -1), every)
    due = (log_p.exp() * every).sum(0, keepdim=True)
    close(mean, due, "the mean of a pixel, against Σ x p(x)", 1e-6, 1e-6 * top)


def _coupled_means(likelihood: Likelihood, seed: int) -> None:
    """Compare means of coupled colours with samples: there may be no closed form."""
    top = likelihood.image.levels - 1
    params = drawn(likelihood, seed, 1.0, batch=PIXELS)[:, :, :1, :1]
    x = likelihood.sample(params.repeat(DRAWS, 1, 1, 1), TorchNoise()).double()
    x = x.reshape(DRAWS, PIXELS, likelihood.image.channels)
    mean = likelihood.mean(params).reshape(PIXELS, likelihood.image.channels)
    allowed = NEAR * top + SIGMAS * x.std(0) / math.sqrt(DRAWS)
    worst = int(((mean - x.mean(0)).abs() - allowed).argmax())
    pixel, colour = divmod(worst, likelihood.image.channels)
    close(
        mean[pixel, colour],
        x[:, pixel, colour].mean(),
        f"the mean of colour {colour} of a pixel with coupled colours, against {DRAWS} samples",
        0,
        allowed[pixel, colour].item(),
    )


SAMPLING = (
    Law(
        "samples follow the probabilities",
        "Samples of tiny images follow exp(log_prob): χ² of 10,000 samples, false alarms 1e-6.",
        CONTRACT + ".sample",
        samples_follow,
        of_tiny_images,
        tries=15,
    ),
    Law(
        "a pixel can be scored alone",
        "The parameters of one pixel alone can be scored and sampled, as autoregressive decoders do.",
        CONTRACT,
        works_on_one_pixel,
        of_images,
        tries=10,
    ),
    Law(
        "the mean is the expectation",
        "The mean lies in 0 .. levels-1 and, where colours are independent, equals Σ x p(x).",
        CONTRACT + ".mean",
        mean_is_expectation,
        of_images,
        tries=30,
    ),
)
