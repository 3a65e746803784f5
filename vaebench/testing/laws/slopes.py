"""Laws of an objective's gradients: how the loss changes with distortions and rates."""

import torch

from vaebench.contracts import Progress, Scored
from vaebench.distributions import DiagonalNormal
from vaebench.testing.law import Law, close, hold
from vaebench.testing.laws.objectives import (
    CONTRACT,
    cases,
    given,
    groups_of,
    image_of,
    made,
    rows_of,
    terms,
)
from vaebench.testing.subject import PartSubject

END = Progress(100, 100)


def distortion_counts(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Check that the loss rises by one nat for one nat of distortion."""
    slopes = []
    for channels, side in ((1, 8), (3, 16)):
        objective = made(subject, parameters, seed, image_of(subject, channels, side), trained).eval()
        scored = given(subject, objective, samples, batch, seed)
        (slope,) = torch.autograd.grad(objective(scored, END).sum(), scored.distortion)
        hold(
            slope.min() >= -1e-12,
            "nats of loss per nat of a sample's distortion are negative: a better reconstruction costs more",
            slope.min().item(),
            "0 or more",
        )
        slopes.append(slope.sum(0))
    if trained and objective.state_dict():  # a learned multiplier may differ from 1
        close(slopes[0], slopes[0].mean().expand(batch), "nats of loss per nat of distortion, for each image")
    else:
        close(slopes[0], torch.ones(batch), "nats of loss per nat of distortion")
    close(slopes[1], slopes[0], "nats of loss per nat of distortion, in a larger image")


def best_sample_counts_most(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Compare the gradients of samples that differ in distortion only."""
    objective = made(subject, parameters, seed, trained=trained).eval()
    samples = max(2, samples, objective.samples)
    single = terms(groups_of(subject), 1, batch, seed)
    same = rows_of(single, torch.arange(batch).repeat_interleave(samples)).terms
    order = torch.randperm(samples)
    offsets = order[:, None].double() / 2
    distortion = (single.distortion.detach() + offsets).requires_grad_()
    (slope,) = torch.autograd.grad(objective(Scored(distortion, same), END).sum(), distortion)
    best, worst = slope[order.argmin()], slope[order.argmax()]
    image = int((worst - best).argmax())
    hold(
        (worst <= best + 1e-12).all(),
        f"of {samples} samples of an image with equal rates, the sample with the most distortion has more "
        "weight in the gradient than the one with the least",
        worst[image].item(),
        f"at most {best[image].item():.10g}",
    )


def gradients_are_finite(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Check the gradients in the posteriors' moments."""
    objective = made(subject, parameters, seed, trained=trained)
    scored = given(subject, objective, samples, batch, seed)
    loss = objective(scored, END).sum()
    for term in scored.terms:
        if not isinstance(term.q, DiagonalNormal):
            continue
        for name, moment in (("mean", term.q.location), ("log std", term.q.log_std)):
            (gradient,) = torch.autograd.grad(loss, moment, retain_graph=True, allow_unused=True)
            hold(
                gradient is None or gradient.isfinite().all(),
                f"the gradient of the loss in the {name} of q, group {term.group.name}, is not finite",
                gradient,
                "finite numbers",
            )


SLOPES = (
    Law(
        "distortion counts in nats",
        "One nat of distortion is one nat of loss, for any image size: sums, not means over pixels.",
        CONTRACT,
        distortion_counts,
        cases,
        tries=20,
    ),
    Law(
        "the best sample counts most",
        "Of samples with equal rates, the one with the least distortion has at least as much weight in the "
        "gradient as the one with the most.",
        CONTRACT + "; Burda et al. 2016, eq. 13",
        best_sample_counts_most,
        cases,
        tries=20,
    ),
    Law(
        "gradients are finite",
        "The loss has finite gradients in the moments of every group's posterior.",
        CONTRACT + ".forward",
        gradients_are_finite,
        cases,
        tries=20,
    ),
)
