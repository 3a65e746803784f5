"""Laws of a prior's normalisation: densities integrate and probabilities sum to one; samples follow."""

import itertools
import math
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Group
from vaebench.distributions import Distribution
from vaebench.noise import TorchNoise
from vaebench.testing import strategies
from vaebench.testing.law import Law, NotTriedError, close, hold
from vaebench.testing.laws.priors import (
    CODES,
    CONTRACT,
    DRAWS,
    REALS,
    distribution_of,
    made,
    real_groups,
    takes,
)
from vaebench.testing.quadrature import Counted, cells_of, integrate
from vaebench.testing.statistics import agree, mean_is
from vaebench.testing.subject import PartSubject, Subject

GRIDS = 4000
TOLERANCE = 1e-3
"""The tolerance of an integral, added to its estimated error."""
UNDECIDED = 0.02
"""The error of an integral above which samples are not compared with it."""


def integrates_to_one(subject: PartSubject, dims: int, parameters: dict, seed: int) -> None:
    """Integrate the root's density in 1-D or 2-D and compare it with samples.

    The cells hold equal numbers of samples and are refined until the error is small. Other samples must fall
    into the cells in proportion to the integrals (χ²), and their mean must be the density's mean.
    """
    prior = made(subject, real_groups(subject, dims), parameters, seed)
    with torch.no_grad():
        p = distribution_of(prior, 0, DRAWS)
        first, z = (p.sample(TorchNoise()).flatten(1) for _ in range(2))
        hold(z.isfinite().all(), "a sample is not finite", z, "finite numbers")
        if p.mean is not None:
            for d in range(dims):
                deviations = z[:, d] - p.mean.flatten(1)[:, d]
                mean_is(deviations, 0.0, f"dimension {d} of 10,000 samples, minus the density's mean")
        if not p.exact:
            return
        density = Counted(
            lambda points: distribution_of(prior, 0, len(points)).log_prob(points[:, :, None, None]).exp()
        )
        cells = cells_of(first)
        mass, error = integrate(density, cells, first)
    total, uncertain = mass.sum().item(), error.sum().item()
    name = (
        f"the integral of exp(log_prob) in {dims}-D by quadrature, with an estimated error of {uncertain:.1g}"
    )
    within = TOLERANCE + 2 * uncertain
    hold(abs(total - 1) <= within, f"{name}, at {density.points} points", total, f"1 ± {within:.2g}")
    if uncertain > UNDECIDED:
        raise NotTriedError(f"{name}, is too uncertain to compare samples with")
    counts = torch.bincount(cells.which(z), minlength=len(mass))
    agree(
        counts, mass / total, "χ² of 10,000 samples in cells, against the density's integral over each cell"
    )


def sums_to_one(
    subject: PartSubject, sizes: tuple, codes: int, parameters: dict, label: int | None, seed: int
) -> None:
    """List every grid of the root, and every grid of the group below for a sample of the codes above."""
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
            given = tuple(a.expand(batch, *a.shape[1:]) for a in above)
            labels = None if label is None else torch.full((batch,), label % max(1, prior.classes))
            return distribution_of(prior, g, batch, given, labels=labels if g == 0 else None)

        with torch.no_grad():
            log_p = p(len(every)).log_prob(every)
            z = p(GRIDS).sample(TorchNoise())
        hold(log_p.shape == (len(every),), "the shape of log p of a batch", tuple(log_p.shape), (len(every),))
        name = f"group {groups[index].name}"
        close(log_p.logsumexp(0).exp(), 1.0, f"{name}: the probabilities of all {len(every)} grids sum to")
        due = (GRIDS, *shape)
        hold(
            z.shape == due and z.dtype == torch.int64,
            f"{name}: shape and dtype of samples",
            (tuple(z.shape), z.dtype),
            due,
        )
        weights = codes ** torch.arange(math.prod(shape) - 1, -1, -1)
        counts = torch.bincount((z.flatten(1) * weights).sum(1), minlength=len(every))
        agree(counts, log_p.exp(), f"{name}: χ² of 4,000 samples against the probabilities")
        above = (*above, z[:1])


def _needs(offers: frozenset[str], word: str) -> Any:
    def why(subject: Subject) -> str | None:
        return None if takes(subject, offers | {"single"}) else f"it is not a prior over {word}"

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
            "label": st.sampled_from([None, None, 0, 1]),
            "seed": strategies.seeds,
        }
    )


NORMALISATION = (
    Law(
        "density integrates to one",
        "exp(log_prob) of the root integrates to one in 1-D and 2-D, and samples follow it (χ², alarm 1e-6).",
        CONTRACT + ".at; vaebench/distributions.py",
        integrates_to_one,
        _of_reals,
        tries=8,
        unless=_needs(REALS, "real latents"),
    ),
    Law(
        "probabilities of codes sum to one",
        "exp(log_prob) sums to one over all grids of codes, also given a grid above; samples follow it.",
        CONTRACT + ".at; vaebench/distributions.py",
        sums_to_one,
        _of_codes,
        tries=16,
        unless=_needs(CODES, "codes"),
    ),
)
