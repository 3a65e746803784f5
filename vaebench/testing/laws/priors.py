"""Laws of priors: densities of the root or of every group, over real latents and over codes."""

import math
from functools import partial
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Context, Group, ImageShape, Prior
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.errors import UsageError
from vaebench.noise import Noise, TorchNoise
from vaebench.testing import strategies
from vaebench.testing.law import Law, LawBroken, NotTriedError, close, hold
from vaebench.testing.refusals import refuses
from vaebench.testing.subject import PartSubject, Subject, labels_of, random_images, rows, shaken

CONTRACT = "vaebench/contracts.py, Prior"
IMAGE = ImageShape(1, 4, 4, 17)
DRAWS = 10_000
REALS, CODES = frozenset({"real", "density"}), frozenset({"codes"})


def takes(subject: Subject, offers: frozenset[str]) -> bool:
    """Whether the prior fits a latent layer that offers these words."""
    return all(
        not offers.isdisjoint(word.split("|")) for word in subject.target.needs.get("latent", frozenset())
    )


def made(subject: PartSubject, groups: tuple[Group, ...], parameters: dict[str, Any], seed: int) -> Prior:
    """Build the prior over these groups, in float64, with noise added to its weights.

    It is bound to a random posterior and begun on random images.

    :raises NotTriedError: where its constructor or ``begin`` refuses
    """
    torch.manual_seed(seed)
    try:
        prior: Prior = subject.target(groups, IMAGE, **parameters).double().eval()
    except UsageError as error:
        raise NotTriedError(str(error)) from error
    shape = groups[0].shape
    weights = torch.randn(math.prod(shape), IMAGE.dims, dtype=torch.float64)

    def posterior(images: Tensor) -> DiagonalNormal:
        h = (images.double() / (IMAGE.levels - 1) - 0.5).flatten(1) @ weights.T
        return DiagonalNormal(h.unflatten(1, shape), (0.3 * h.cos() - 0.5).unflatten(1, shape))

    prior.bind(posterior)
    try:
        prior.begin(random_images(IMAGE, 16, seed), labels_of(prior, 16))
    except UsageError as error:
        raise NotTriedError(str(error)) from error
    shaken(prior, seed, 0.3)
    return prior


def distribution_of(
    prior: Prior,
    group: int,
    batch: int,
    above: tuple[Tensor, ...] = (),
    noise: Noise | None = None,
    **more: Any,
) -> Distribution:
    """Return the prior's distribution of a group, for a batch.

    :raises LawBroken: where it has none
    """
    p = prior.at(group, Context(batch, above, noise or TorchNoise(), **more))
    if p is None:
        raise LawBroken(f"the prior covers group {group}, but at() returns None", "None", "a distribution")
    return p


def real_groups(subject: Subject, dims: int) -> tuple[Group, ...]:
    """Real-valued groups for the prior: a root of ``dims`` dimensions, and one below where it allows two."""
    below = (
        () if takes(subject, REALS | {"single"}) and not takes(subject, REALS) else (Group("b", (2, 1, 1)),)
    )
    return (Group("a", (dims, 1, 1)), *below)


def covers_declared_groups(subject: PartSubject, parameters: dict, seed: int) -> None:
    """Compare ``at`` with ``covers``, and check ``fitted`` and ``stand_in``."""
    part = subject.target
    hold(part.covers in ("root", "every group"), "the attribute covers", part.covers, "root or every group")
    hold(part.fitted in ("with", "after"), "the attribute fitted", part.fitted, "with or after")
    if part.fitted == "after":
        names = subject.neighbours.names("prior")
        hold(part.stand_in in names, "stand_in does not name a prior", part.stand_in, names)
    for offers, codes in ((REALS, None), (CODES, 3)):
        if not takes(subject, offers):
            continue
        shape = (2, 1, 1) if codes is None else (2, 1)
        groups = (Group("a", shape, codes), Group("b", shape, codes))
        prior = made(subject, groups, parameters, seed)
        root = distribution_of(prior, 0, 3)
        z = root.sample(rows(3))
        again = prior.at(1, Context(3, (z,), TorchNoise()))
        answer = "None" if again is None else type(again).__name__
        if part.covers == "root":
            hold(again is None, "it covers the root only; at(1) returns", answer, "None")
        else:
            hold(again is not None, "it covers every group; at(1) returns", answer, "a distribution")


def rows_are_apart(subject: PartSubject, parameters: dict, seed: int) -> None:
    """Compare density and samples of a row alone and in a batch."""
    for offers, codes in ((REALS, None), (CODES, 3)):
        if not takes(subject, offers | {"single"}):
            continue
        shape = (2, 1, 1) if codes is None else (2, 2)
        prior = made(subject, (Group("a", shape, codes),), parameters, seed)
        with torch.no_grad():
            p = distribution_of(prior, 0, 5, noise=rows(5))
            z = p.sample(rows(5))
            alike(
                p.sample(rows(5), 1.0),
                z,
                "a latent sampled at temperature 1, against one sampled without temperature",
            )
            whole = p.log_prob(z)
            alone = distribution_of(prior, 0, 1, noise=rows(1, first=4))
            drawn = alone.sample(rows(1, first=4))
            alike(drawn, z[4:], "the latent of row 4 sampled alone, against row 4 among 5")
            if p.exact:
                close(
                    alone.log_prob(z[4:]),
                    whole[4:],
                    "log p of row 4 alone, against row 4 among 5",
                    1e-8,
                    1e-8,
                )


def alike(drawn: Tensor, due: Tensor, message: str) -> None:
    """Compare codes exactly, and real latents up to rounding."""
    close(drawn, due, message, *((1e-9, 1e-9) if drawn.is_floating_point() else (0, 0)))


def wrong_latents(subject: PartSubject, parameters: dict, seed: int) -> None:
    """Evaluate latents of wrong shapes."""
    if takes(subject, REALS | {"single"}):
        p = distribution_of(made(subject, (Group("a", (3, 1, 1)),), parameters, seed), 0, 2)
        for wrong in ((2, 4, 1, 1), (2, 1, 1, 1), (2, 3, 1, 2)):
            refuses(partial(p.log_prob, torch.zeros(wrong).double()), wrong, (2, 3, 1, 1))
    if takes(subject, CODES | {"single"}):
        p = distribution_of(made(subject, (Group("a", (2, 3), 3),), parameters, seed), 0, 2)
        z = torch.zeros(2, 2, 4, dtype=torch.long)
        refuses(lambda: p.log_prob(z), (2, 4), (2, 3))


def plain(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of parameters and a seed."""
    return st.fixed_dictionaries(
        {"parameters": strategies.parameters(subject.target), "seed": strategies.seeds}
    )


def no_latents(subject: Subject) -> str | None:
    """Skip priors of models without latents."""
    either = takes(subject, REALS | {"single"}) or takes(subject, CODES | {"single"})
    return None if either else "it is a prior over neither real latents nor codes"


PRIORS = (
    Law(
        "the prior covers the groups it declares",
        "at() returns a distribution for exactly the groups that covers names, and stand_in names a prior.",
        CONTRACT + ".covers",
        covers_declared_groups,
        plain,
        tries=4,
        unless=no_latents,
    ),
    Law(
        "latents do not depend on the batch",
        "A latent's density and sample do not depend on its batch; temperature 1 changes nothing.",
        CONTRACT + ".at; vaebench/noise.py",
        rows_are_apart,
        plain,
        tries=8,
        unless=no_latents,
    ),
    Law(
        "wrong latents are refused",
        "Latents of another shape raise an error that names both shapes.",
        "vaebench/distributions.py, Distribution.log_prob",
        wrong_latents,
        plain,
        tries=4,
        unless=no_latents,
    ),
)
