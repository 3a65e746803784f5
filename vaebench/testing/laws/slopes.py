"""Laws of an objective's gradients: how much the loss moves with distortions and rates."""

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
    slopes = []
    for channels, side in ((1, 8), (3, 16)):
        objective = made(subject, parameters, seed, image_of(subject, channels, side), trained).eval()
        scored = given(subject, objective, samples, batch, seed)
        (slope,) = torch.autograd.grad(objective(scored, END).sum(), scored.distortion)
        hold(
            slope.min() >= -1e-12,
            "nats of loss for one more nat of a sample's distortion (a better explanation costs more)",
            slope.min().item(),
            "0 or more",
        )
        slopes.append(slope.sum(0))
    if trained and objective.state_dict():  # a multiplier that is learned may have moved from 1
        close(
            slopes[0], slopes[0].mean().expand(batch), "nats of loss for one more nat of distortion, by image"
        )
    else:
        close(slopes[0], torch.ones(batch), "nats of loss for one more nat of distortion")
    close(slopes[1], slopes[0], "nats of loss for one more nat of distortion, in a larger image")


def best_sample_counts_most(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    objective = made(subject, parameters, seed, trained=trained).eval()
    samples = max(2, samples, objective.samples)
    one = terms(groups_of(subject), 1, batch, seed)
    same = rows_of(one, torch.arange(batch).repeat_interleave(samples)).terms
    order = torch.randperm(samples)
    spread = order[:, None].double() / 2
    distortion = (one.distortion.detach() + spread).requires_grad_()
    (slope,) = torch.autograd.grad(objective(Scored(distortion, same), END).sum(), distortion)
    best, worst = slope[order.argmin()], slope[order.argmax()]
    image = int((worst - best).argmax())
    hold(
        (worst <= best + 1e-12).all(),
        f"of {samples} samples of an image with equal rates, the one with the most distortion weighs more in "
        "the loss than the one with the least",
        worst[image].item(),
        f"at most {best[image].item():.10g}",
    )


def rates_press(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
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
                f"the gradient of the loss in the {name} of q of group {term.group.name} is not finite",
                gradient,
                "finite numbers",
            )


SLOPES = (
    Law(
        "distortion counts in nats",
        "One nat of distortion is one nat of loss, whatever the size of the image: sums, not pixel means.",
        CONTRACT,
        distortion_counts,
        cases,
        tries=20,
    ),
    Law(
        "the best sample counts most",
        "Of samples with equal rates, the one with the least distortion weighs at least as much in the "
        "gradient as the one with the most.",
        CONTRACT + "; Burda et al. 2016, eq. 13",
        best_sample_counts_most,
        cases,
        tries=20,
    ),
    Law(
        "gradients are finite",
        "The loss has a finite gradient in every group's posterior.",
        CONTRACT + ".forward",
        rates_press,
        cases,
        tries=20,
    ),
)
