"""Laws of priors: densities of the root or of every group, over reals and over codes."""

import itertools
import math
from functools import partial
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Context, Group, ImageShape, Prior
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.errors import UsageError
from vaebench.noise import TorchNoise
from vaebench.testing import strategies
from vaebench.testing.law import Law, NotTriedError, close, hold
from vaebench.testing.laws.every import refuses
from vaebench.testing.statistics import agree
from vaebench.testing.subject import PartSubject, Subject, random_images, rows, shaken

CONTRACT = "vaebench/contracts.py, Prior"
IMAGE = ImageShape(1, 4, 4, 17)
DRAWS, GRIDS = 10_000, 4000
CELLS, WITHIN = {1: 16, 2: 8}, {1: 256, 2: 24}
"""Cells of the histogram along an axis, and points of the integral along a cell, by dimension."""
REALS, CODES = frozenset({"real", "density"}), frozenset({"codes"})


def takes(subject: Subject, offers: frozenset[str]) -> bool:
    """Whether the prior can stand over a latent layer that offers these words."""
    return all(
        not offers.isdisjoint(word.split("|")) for word in subject.target.needs.get("latent", frozenset())
    )


def made(subject: PartSubject, groups: tuple[Group, ...], parameters: dict[str, Any], seed: int) -> Prior:
    """The prior over these groups, begun, bound to a posterior of its own, its weights shaken; float64."""
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
        prior.begin(random_images(IMAGE, 16, seed), torch.zeros(16, dtype=torch.int64))
    except UsageError as error:
        raise NotTriedError(str(error)) from error
    shaken(prior, seed, 0.3)
    return prior


def asked(prior: Prior, group: int, batch: int, above: tuple[Tensor, ...] = (), **more: Any) -> Distribution:
    """What the prior says of a group, for a batch."""
    found = prior.at(group, Context(batch, above, TorchNoise(), **more))
    hold(found is not None, f"the prior has nothing to say of group {group}, which it covers")
    assert found is not None
    return found


def _real_groups(subject: Subject, dims: int) -> tuple[Group, ...]:
    below = (
        () if takes(subject, REALS | {"single"}) and not takes(subject, REALS) else (Group("b", (2, 1, 1)),)
    )
    return (Group("a", (dims, 1, 1)), *below)


def integrates_to_one(subject: PartSubject, dims: int, parameters: dict, seed: int) -> None:
    """In 1-D or 2-D, by the midpoint rule; and the samples' histogram against the integral, as χ²."""
    prior = made(subject, _real_groups(subject, dims), parameters, seed)
    with torch.no_grad():
        z = asked(prior, 0, DRAWS).sample(TorchNoise()).flatten(1)
        hold(z.isfinite().all(), "a sample is not finite")
        low, high = z.amin(0), z.amax(0)
        low, high = low - 0.5 * (high - low) - 1e-3, high + 0.5 * (high - low) + 1e-3
        cells, within = CELLS[dims], WITHIN[dims]
        step = (high - low) / (cells * within)
        axes = [low[d] + step[d] * (torch.arange(cells * within) + 0.5) for d in range(dims)]
        points = torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).reshape(-1, dims, 1, 1)
        p = asked(prior, 0, len(points))
        mass = p.log_prob(points).exp() * step.prod()
    if not p.exact:
        return
    close(mass.sum(), 1.0, f"the integral of exp(log_prob) in {dims}-D", 0, 1e-4 if dims == 1 else 2e-3)
    cell = mass.reshape(*(n for _ in range(dims) for n in (cells, within)))
    cell = cell.sum((1, 3) if dims == 2 else 1).flatten()
    index = ((z - low) / (high - low) * cells).long().clamp(0, cells - 1)
    flat = index[:, 0] if dims == 1 else index[:, 0] * cells + index[:, 1]
    counts = torch.bincount(flat, minlength=len(cell))
    agree(counts, cell / cell.sum(), "a histogram of 10,000 samples against the density, as χ²")


def sums_to_one(
    subject: PartSubject, sizes: tuple, codes: int, parameters: dict, label: int | None, seed: int
) -> None:
    """Every grid of the root, and of the group below given some codes above."""
    both = takes(subject, CODES)
    groups = tuple(
        Group(name, size, codes=codes) for name, size in zip("ab"[: 2 if both else 1], sizes, strict=False)
    )
    prior = made(subject, groups, parameters, seed)
    above: tuple[Tensor, ...] = ()
    for index in range(len(groups) if subject.target.covers == "every group" else 1):
        shape = groups[index].shape
        every = torch.tensor(list(itertools.product(range(codes), repeat=math.prod(shape))))
        every = every.reshape(-1, *shape)

        def p(batch: int, g: int = index, above: tuple[Tensor, ...] = above) -> Distribution:
            told = tuple(a.expand(batch, *a.shape[1:]) for a in above)
            labels = None if label is None else torch.full((batch,), label)
            return asked(prior, g, batch, told, labels=labels if g == 0 else None)

        with torch.no_grad():
            log_p = p(len(every)).log_prob(every)
            z = p(GRIDS).sample(TorchNoise())
        hold(log_p.shape == (len(every),), "log p of a batch", tuple(log_p.shape), (len(every),))
        name = f"group {groups[index].name}"
        close(log_p.logsumexp(0).exp(), 1.0, f"{name}: the probabilities of all {len(every)} grids sum to")
        due = (GRIDS, *shape)
        hold(z.shape == due and z.dtype == torch.int64, f"{name}: samples", (tuple(z.shape), z.dtype), due)
        weights = codes ** torch.arange(math.prod(shape) - 1, -1, -1)
        counts = torch.bincount((z.flatten(1) * weights).sum(1), minlength=len(every))
        agree(counts, log_p.exp(), f"{name}: counts of 4,000 samples against the probabilities, as χ²")
        above = (*above, z[:1])


def covers_what_it_says(subject: PartSubject, parameters: dict, seed: int) -> None:
    part = subject.target
    hold(part.covers in ("root", "every group"), "covers", part.covers, "root or every group")
    hold(part.fitted in ("with", "after"), "fitted", part.fitted, "with or after")
    if part.fitted == "after":
        names = subject.registry.names("prior")
        hold(part.stand_in in names, "the prior that stands in while it is not fitted", part.stand_in, names)
    for offers, codes in ((REALS, None), (CODES, 3)):
        if not takes(subject, offers):
            continue
        shape = (2, 1, 1) if codes is None else (2, 1)
        groups = (Group("a", shape, codes), Group("b", shape, codes))
        prior = made(subject, groups, parameters, seed)
        root = asked(prior, 0, 3)
        z = root.sample(rows(3))
        again = prior.at(1, Context(3, (z,), TorchNoise()))
        if part.covers == "root":
            hold(again is None, "it covers the root, and is asked of group 1", again, None)
        else:
            hold(again is not None, "it covers every group, and is asked of group 1", None, "a distribution")


def rows_are_apart(subject: PartSubject, parameters: dict, seed: int) -> None:
    for offers, codes in ((REALS, None), (CODES, 3)):
        if not takes(subject, offers | {"single"}):
            continue
        shape = (2, 1, 1) if codes is None else (2, 2)
        prior = made(subject, (Group("a", shape, codes),), parameters, seed)
        with torch.no_grad():
            p = prior.at(0, Context(5, (), rows(5)))
            assert p is not None
            z = p.sample(rows(5))
            hold(torch.equal(p.sample(rows(5), 1.0), z), "a sample at temperature 1, against a plain one")
            whole = p.log_prob(z)
            alone = prior.at(0, Context(1, (), rows(1, first=4)))
            assert alone is not None
            hold(torch.equal(alone.sample(rows(1, first=4)), z[4:]), "image 4 drawn alone, against among 5")
            if p.exact:
                close(alone.log_prob(z[4:]), whole[4:], "log p of image 4 alone, against among 5", 1e-8, 1e-8)


def wrong_latents(subject: PartSubject, parameters: dict, seed: int) -> None:
    if takes(subject, REALS | {"single"}):
        p = asked(made(subject, (Group("a", (3, 1, 1)),), parameters, seed), 0, 2)
        for wrong in ((2, 4, 1, 1), (2, 1, 1, 1), (2, 3, 1, 2)):
            refuses(partial(p.log_prob, torch.zeros(wrong).double()), wrong, (2, 3, 1, 1))
    if takes(subject, CODES | {"single"}):
        p = asked(made(subject, (Group("a", (2, 3), 3),), parameters, seed), 0, 2)
        z = torch.zeros(2, 2, 4, dtype=torch.long)
        refuses(lambda: p.log_prob(z), (2, 4), (2, 3))


def _needs(offers: frozenset[str], word: str) -> Any:
    def why(subject: Subject) -> str | None:
        return None if takes(subject, offers | {"single"}) else f"it is no prior over {word}"

    return why


def _of_reals(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "dims": st.sampled_from([1, 2]),
            "parameters": strategies.parameters(subject.target),
            "seed": strategies.seeds,
        }
    )


def _of_codes(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    size = st.sampled_from([(1, 1), (1, 2), (2, 1), (2, 2), (2, 3)])
    return st.fixed_dictionaries(
        {
            "sizes": st.tuples(size, size),
            "codes": st.sampled_from([2, 3]),
            "parameters": strategies.parameters(subject.target),
            "label": st.sampled_from([None, 0]),
            "seed": strategies.seeds,
        }
    )


def _plain(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {"parameters": strategies.parameters(subject.target), "seed": strategies.seeds}
    )


def _no_latents(subject: Subject) -> str | None:
    either = takes(subject, REALS | {"single"}) or takes(subject, CODES | {"single"})
    return None if either else "it is a prior over neither reals nor codes"


PRIORS = (
    Law(
        "density integrates to one",
        "exp(log_prob) of the root integrates to one in 1-D and 2-D, and samples follow it (χ², rate 1e-6).",
        CONTRACT + ".at; vaebench/distributions.py",
        integrates_to_one,
        _of_reals,
        tries=8,
        unless=_needs(REALS, "reals"),
    ),
    Law(
        "probabilities of codes sum to one",
        "Over all grids of a few codes exp(log_prob) sums to one, given the grid above too; samples follow.",
        CONTRACT + ".at; vaebench/distributions.py",
        sums_to_one,
        _of_codes,
        tries=10,
        unless=_needs(CODES, "codes"),
    ),
    Law(
        "covers what it says",
        "It rules the groups that covers names, leaves the others, and its stand-in is there.",
        CONTRACT + ".covers",
        covers_what_it_says,
        _plain,
        tries=4,
        unless=_no_latents,
    ),
    Law(
        "rows are apart",
        "A latent's density and sample do not depend on the batch that it is in; temperature 1 is plain.",
        CONTRACT + ".at; vaebench/noise.py",
        rows_are_apart,
        _plain,
        tries=8,
        unless=_no_latents,
    ),
    Law(
        "wrong latents are named",
        "Latents of another shape are refused by an error that names both shapes.",
        "vaebench/distributions.py, Distribution.log_prob",
        wrong_latents,
        _plain,
        tries=4,
        unless=_no_latents,
    ),
)
