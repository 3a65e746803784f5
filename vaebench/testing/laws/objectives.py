"""Laws of objectives: per-image terms to a loss per image."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored, Term
from vaebench.distributions import DiagonalNormal, StandardNormal
from vaebench.errors import UsageError
from vaebench.testing import strategies
from vaebench.testing.law import Law, NotTriedError, close, hold
from vaebench.testing.subject import PartSubject, Subject

CONTRACT = "vaebench/contracts.py, Objective"
GROUPS = (Group("a", (2, 1, 1)), Group("b", (1, 2, 2)))
END = Progress(100, 100)


def made(subject: PartSubject, parameters: dict[str, Any], image: ImageShape) -> Objective:
    try:
        return subject.target(GROUPS, image, **parameters).double()
    except UsageError as error:
        raise NotTriedError(str(error)) from error


def terms(samples: int, batch: int, seed: int) -> Scored:
    """Distortions of 5 to 55 nats and two groups of normals, with gradients; float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    found = []
    for group in GROUPS:
        shape = (samples * batch, *group.shape)
        q = DiagonalNormal(normal(*shape).requires_grad_(), (0.5 * normal(*shape)).requires_grad_())
        z = (q.location + q.log_std.exp() * normal(*shape)).detach()
        found.append(Term(group, z, q, StandardNormal(torch.zeros(shape).double())))
    distortion = 50 * torch.rand((samples, batch), generator=generator, dtype=torch.float64) + 5
    return Scored(distortion.requires_grad_(), found)


def cases(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries(
        {
            "parameters": strategies.parameters(subject.target),
            "samples": st.sampled_from([1, 2, 5]),
            "batch": st.sampled_from([1, 3, 8]),
            "step": st.sampled_from([100, 1, 50]),
            "seed": strategies.seeds,
        }
    )


IMAGE = ImageShape(1, 8, 8, 17)


def is_per_image(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, seed: int
) -> None:
    objective = made(subject, parameters, IMAGE)
    hold(objective.samples >= 1, "samples", objective.samples, "1 or more")
    samples = max(samples, objective.samples)
    scored = terms(samples, batch, seed)
    loss = objective(scored, Progress(step, 100))
    hold(loss.shape == (batch,), "the shape of the loss", tuple(loss.shape), (batch,))
    hold(loss.isfinite().all(), "the loss of an image is not finite", loss)
    order = torch.randperm(batch)
    turned = terms(samples, batch, seed)
    rows = (order[:, None] * samples + torch.arange(samples)).flatten()
    moved = [
        Term(t.group, t.z[rows], DiagonalNormal(t.q.location[rows], t.q.log_std[rows]), t.p)
        for t in turned.terms
        if isinstance(t.q, DiagonalNormal)
    ]
    again = objective(Scored(turned.distortion[:, order], moved), Progress(step, 100))
    close(again, loss[order], "the loss of images in another order")


def distortion_counts(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, seed: int
) -> None:
    slopes = []
    for image in (IMAGE, ImageShape(3, 16, 16, 17)):
        objective = made(subject, parameters, image)
        scored = terms(max(samples, objective.samples), batch, seed)
        (slope,) = torch.autograd.grad(objective(scored, END).sum(), scored.distortion)
        hold(
            slope.min() >= -1e-12,
            "a sample that explains its image better raises the loss",
            slope.min().item(),
        )
        slopes.append(slope.sum(0))
    close(slopes[0], 1.0 * torch.ones_like(slopes[0]), "nats of loss for one more nat of distortion", 1e-9)
    close(
        slopes[1], slopes[0], "nats of loss for one more nat of distortion, in an image of 768 values", 1e-9
    )


def better_samples_count_more(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, seed: int
) -> None:
    objective = made(subject, parameters, IMAGE)
    samples = max(2, samples, objective.samples)
    one = terms(1, batch, seed)

    def each(t: Tensor) -> Tensor:
        return t.repeat_interleave(samples, 0)

    same = [
        Term(
            t.group,
            each(t.z),
            DiagonalNormal(each(t.q.location), each(t.q.log_std)),
            StandardNormal(torch.zeros_like(each(t.z))),
        )
        for t in one.terms
        if isinstance(t.q, DiagonalNormal)
    ]
    spread = torch.arange(samples, dtype=torch.float64)[:, None] / 2
    distortion = (one.distortion.detach() + spread).requires_grad_()
    (slope,) = torch.autograd.grad(objective(Scored(distortion, same), END).sum(), distortion)
    rising = slope.diff(dim=0)
    hold(
        (rising <= 1e-12).all(),
        "of samples with equal rates, one with more distortion weighs more in the loss",
        slope[:, 0],
        "weights that do not rise",
    )


def modes_agree(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, seed: int
) -> None:
    found = []
    for mode in (True, False):
        objective = made(subject, parameters, IMAGE).train(mode)
        found.append(objective(terms(max(samples, objective.samples), batch, seed), Progress(step, 100)))
    close(found[1], found[0], "the loss in eval mode, against train mode")


def rates_press(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, seed: int
) -> None:
    objective = made(subject, parameters, IMAGE)
    scored = terms(max(samples, objective.samples), batch, seed)
    loss = objective(scored, END).sum()
    reached = [
        torch.autograd.grad(loss, t.q.location, retain_graph=True, allow_unused=True)[0]
        for t in scored.terms
        if isinstance(t.q, DiagonalNormal)
    ]
    for gradient in reached:
        hold(gradient is None or gradient.isfinite().all(), "the gradient of a rate is not finite", gradient)


OBJECTIVES = (
    Law(
        "a loss per image",
        "The loss has one finite value per image, moves with its image, and works for any samples and batch.",
        CONTRACT + ".forward",
        is_per_image,
        cases,
        tries=30,
    ),
    Law(
        "distortion counts in nats",
        "One nat of distortion is one nat of loss, whatever the size of the image: sums, not pixel means.",
        CONTRACT,
        distortion_counts,
        cases,
        tries=20,
    ),
    Law(
        "better samples count as much or more",
        "Of samples with equal rates, the weight in the gradient does not rise with the distortion.",
        CONTRACT + "; Burda et al. 2016, eq. 13",
        better_samples_count_more,
        cases,
        tries=20,
    ),
    Law(
        "training and validation weigh alike",
        "The loss of the same terms is the same in train and in eval mode.",
        CONTRACT + ".forward",
        modes_agree,
        cases,
        tries=10,
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
