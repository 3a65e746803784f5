"""Laws of autoregressive decoders: pixels in raster order, colours in order within a pixel."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape
from vaebench.model import Vae
from vaebench.testing import strategies
from vaebench.testing.law import Law, LawBroken, hold
from vaebench.testing.laws.decoders import composed, spread, with_likelihood
from vaebench.testing.subject import PartSubject, Subject, random_images, rows

CONTRACT = "vaebench/contracts.py, Decoder.forward and Likelihood.by_colour"
BATCH = 4


def cases(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples with sides up to 4 pixels."""
    assert isinstance(subject, PartSubject)
    return with_likelihood(subject, strategies.images(subject, smallest=1, largest=4))


def wide(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Images of 4 x 7 grey pixels: wide enough for a blind spot to show."""
    assert isinstance(subject, PartSubject)
    shapes = [ImageShape(c, 4, 7, n) for c, n in subject.kinds_of_image if c == 1] or [
        ImageShape(c, 4, 7, n) for c, n in subject.kinds_of_image
    ]
    return with_likelihood(subject, st.sampled_from(shapes))


def parameters_of(model: Vae, features: tuple[Tensor, ...], x: Tensor) -> Tensor:
    """Compute the likelihood's parameters (B, channels, H, W); random layers repeat their draws."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        return model.output.parameters_of(model.decoder(spread(features, len(x)), x))


def dependent(model: Vae, features: tuple[Tensor, ...], x: Tensor, place: tuple[int, int, int]) -> Tensor:
    """Mark the parameters (channels, H, W) that change, in any image, with the value at place (c, i, j)."""
    c, i, j = place
    changed = torch.zeros(model.output.likelihood.channels, *x.shape[2:], dtype=torch.bool)
    before = parameters_of(model, features, x)
    for by in {1, max(1, model.image.levels // 2)}:
        other = x.clone()
        other[:, c, i, j] = (other[:, c, i, j] + by) % model.image.levels
        after = parameters_of(model, features, other)
        change = torch.where(after == before, 0.0, (after - before).abs().nan_to_num(torch.inf))
        changed |= (change > ROUNDING * (1 + before.abs())).any(0)
    return changed


ROUNDING = 1e-12
"""The relative change of a parameter, in float64, up to which it does not count as dependent."""


def sees_only_what_is_before(
    subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int, mode: str = "eval"
) -> None:
    """Change each pixel value in turn and compare the parameters at and before it."""
    model, features = composed(subject, image, parameters, seed, lik)
    model.train(mode == "train")
    x = random_images(image, BATCH, seed).long()
    by_colour = model.output.likelihood.by_colour
    order = torch.arange(image.height * image.width).reshape(image.height, image.width)
    for c in range(image.channels):
        for i in range(image.height):
            for j in range(image.width):
                changed = dependent(model, features, x, (c, i, j))
                wrong = changed.any(0) & (order < order[i, j])
                if wrong.any():
                    a, b = wrong.nonzero()[0].tolist()
                    raise LawBroken(
                        f"in {mode} mode pixel ({a}, {b}) depends on the later pixel ({i}, {j})",
                        f"a parameter that changes by more than {ROUNDING}",
                        "no change at the changed pixel or before it",
                    )
                blocks = changed[:, i, j].unflatten(0, (image.channels if by_colour else 1, -1)).any(1)
                seen = [b for b, yes in enumerate(blocks.tolist()) if yes and b <= c]
                what = f"colours {seen} of" if by_colour else "the parameters of"
                hold(
                    not seen,
                    f"in {mode} mode {what} pixel ({i}, {j}) depend on colour {c} of that pixel",
                    f"a parameter that changes by more than {ROUNDING}",
                    "no change at the changed value or before it",
                )


def _in_train_mode(subject: PartSubject, **example: Any) -> None:
    sees_only_what_is_before(subject, mode="train", **example)


def has_no_blind_spot(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Check what the middle pixel of the last row depends on.

    It has no hole, and no row reaches further right than the row just above the pixel (the blind spot of
    masked convolutions: van den Oord et al. 2016, fig. 1).
    """
    model, features = composed(subject, image, parameters, seed, lik)
    x = random_images(image, 2 * BATCH, seed).long()
    row, column = image.height - 1, image.width // 2
    sees: dict[int, list[int]] = {}
    for i in range(image.height):
        sees[i - row] = [
            j - column
            for j in range(image.width)
            if any(
                dependent(model, features, x, (c, i, j))[:, row, column].any() for c in range(image.channels)
            )
        ]
    hold(any(sees.values()), "no pixel depends on any earlier pixel", "none", "some")
    left = sees[0]
    due = list(range(-len(left), 0))
    hold(left == due, f"in its own row, pixel ({row}, {column}) depends on the offsets", left, due or "none")
    reached = [a for a in range(-1, -row - 1, -1) if sees[a]]
    hold(
        reached == list(range(-1, -len(reached) - 1, -1)),
        "offsets of the rows above that the pixel depends on",
        reached,
        "an unbroken run from -1",
    )
    for a in reached:
        whole = list(range(sees[a][0], sees[a][-1] + 1))
        hold(
            sees[a] == whole and 0 in whole,
            f"in the row at {a}, the pixel depends on the offsets",
            sees[a],
            "no gap, and 0 included",
        )
        near, far = sees[-1][-1], sees[a][-1]
        message = (
            f"a blind spot: to the right, the row at -1 is seen up to {near}, the row at {a} up to {far}"
        )
        hold(near >= far, message, near, f"{far} or more")


def cached_is_plain(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Compare ``Decoder.sample`` with one forward pass per pixel from the same noise."""
    model, features = composed(subject, image, parameters, seed, lik)
    three = spread(features, 3)
    likelihood = model.output.likelihood
    rounds = image.channels if likelihood.by_colour else 1
    x = torch.zeros(3, image.channels, image.height, image.width, dtype=torch.int64)
    noise = rows(3, seed=seed)
    with torch.no_grad():
        for i in range(image.height):
            for j in range(image.width):
                for c in range(rounds):
                    params = parameters_of(model, features, x)[:, :, i : i + 1, j : j + 1]
                    x[:, c:, i, j] = likelihood.sample(params, noise)[:, c:, 0, 0]
        fast = model.decoder.sample(three, model.output, rows(3, seed=seed))
    where = (fast != x).nonzero().tolist()
    hold(
        not where,
        f"samples differ from those of one forward pass per pixel with the same noise, first at (b, c, i, j) "
        f"{where[:1]}",
        fast.flatten(),
        x.flatten(),
    )


def _not_autoregressive(subject: Subject) -> str | None:
    return None if "autoregressive" in subject.target.offers else "it does not offer 'autoregressive'"


AUTOREGRESSION = (
    Law(
        "each pixel sees only earlier pixels",
        "In eval mode no parameter depends on its own pixel value or a later one, up to rounding.",
        CONTRACT,
        sees_only_what_is_before,
        cases,
        tries=10,
        unless=_not_autoregressive,
    ),
    Law(
        "each pixel sees only earlier pixels, in training",
        "In train mode, where batch normalisation would mix all pixels, the same holds.",
        CONTRACT,
        _in_train_mode,
        cases,
        tries=8,
        unless=_not_autoregressive,
    ),
    Law(
        "no blind spot",
        "The earlier pixels that a pixel depends on have no gap and no blind corner.",
        "van den Oord et al. 2016 (Conditional PixelCNN), sec. 2.2 and fig. 1",
        has_no_blind_spot,
        wide,
        tries=6,
        unless=_not_autoregressive,
    ),
    Law(
        "fast sampling equals plain sampling",
        "In float64, sample() draws the same image as one forward pass per pixel with the same noise.",
        "vaebench/contracts.py, Decoder.sample; Ramachandran et al. 2017",
        cached_is_plain,
        cases,
        tries=8,
        unless=_not_autoregressive,
    ),
)
