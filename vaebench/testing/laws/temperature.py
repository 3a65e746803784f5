"""The law that a prior's samples spread with the temperature."""

import math
from itertools import pairwise

import torch
from torch import Tensor

from vaebench.contracts import Group
from vaebench.distributions import Distribution
from vaebench.noise import TorchNoise
from vaebench.testing.law import Law, hold
from vaebench.testing.laws.priors import (
    CODES,
    DRAWS,
    REALS,
    distribution_of,
    made,
    no_latents,
    plain,
    real_groups,
    takes,
)
from vaebench.testing.statistics import SIGMAS
from vaebench.testing.subject import PartSubject

HEATS = (0.25, 1.0, 4.0)
"""The temperatures that are compared."""


def temperature_acts(subject: PartSubject, parameters: dict, seed: int) -> None:
    """Real latents' distance from a cold sample, or codes' mean −log p, rises with the temperature."""
    if takes(subject, REALS | {"single"}):
        p = distribution_of(made(subject, real_groups(subject, 2), parameters, seed), 0, DRAWS)
        _spreads(p, "the root")
    if takes(subject, CODES | {"single"}):
        listed = (Group("a", (1, 2), CODES_TRIED), Group("b", (2, 1), CODES_TRIED))
        groups = listed[: 2 if takes(subject, CODES) else 1]
        prior = made(subject, groups, parameters, seed)
        above: tuple[Tensor, ...] = ()
        for g in range(len(groups) if subject.target.covers == "every group" else 1):
            codes_above = tuple(a.expand(FEW, *a.shape[1:]) for a in above)
            for label in (None, *({0, prior.classes - 1} if prior.classes and g == 0 else ())):
                labels = None if label is None else torch.full((FEW,), label)
                given = (
                    f" given class {label}" if label is not None else " given codes above" if above else ""
                )
                _spreads(
                    distribution_of(prior, g, FEW, codes_above, labels=labels),
                    f"group {groups[g].name}{given}",
                )
            above = (*above, torch.randint(0, CODES_TRIED, (1, *groups[g].shape)))


CODES_TRIED, FEW = 5, 1000


@torch.no_grad()
def _spreads(p: Distribution, name: str) -> None:
    """Sample from the same noise at each temperature; a uniform distribution stays uniform at any."""

    def drawn(heat: float) -> Tensor:
        return p.sample(TorchNoise(torch.Generator().manual_seed(0)), heat)

    usual = drawn(1.0)
    densities = p.log_prob(usual)
    if (densities - densities[0]).abs().max() <= 1e-9:
        return
    if usual.is_floating_point():
        what, cold = "the mean of |z − z of temperature 0.001|²", drawn(1e-3)
        least = 1.05  # a temperature that divides would leave all three about as far away
        values = [(drawn(heat) - cold).double().square().flatten(1).sum(1) for heat in HEATS]
    else:
        what, least = "the mean of −log p(z)", 1.0
        values = [-p.log_prob(drawn(heat)).double() for heat in HEATS]
    means = [v.mean().item() for v in values]
    for lower, higher in (*pairwise(values), (values[0], values[-1])):
        rise = (higher - lower).mean().item()
        error = SIGMAS * (higher - lower).std().item() / math.sqrt(len(lower))
        # Where one code has nearly all the probability, one step may change too little to count.
        ends = lower is values[0] and higher is values[-1]
        rises = rise > error and means[-1] > least * means[0] if ends else rise >= -error
        label = (
            f"{name}: {what} of samples at temperatures {HEATS} (differences below {error:.2g} are chance)"
        )
        hold(rises, label, means, "rising numbers")


TEMPERATURE = (
    Law(
        "a higher temperature spreads the samples",
        "At a higher temperature real latents spread further and less probable codes appear, in every group.",
        "vaebench/distributions.py, Distribution.sample",
        temperature_acts,
        plain,
        tries=6,
        unless=no_latents,
    ),
)
