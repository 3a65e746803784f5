"""Laws of objectives: they map per-image terms to a loss per image."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Group, ImageShape, Objective, Progress, Scored, Term
from vaebench.distributions import Codes, DiagonalNormal, StandardNormal, UniformCodes
from vaebench.errors import UsageError
from vaebench.testing import strategies
from vaebench.testing.formulas import formula_of
from vaebench.testing.law import Law, LawBroken, NotTriedError, close, hold
from vaebench.testing.subject import PartSubject, Subject

CONTRACT = "vaebench/contracts.py, Objective"
REALS = (Group("a", (2, 1, 1)), Group("b", (1, 2, 2)))
CODES = (Group("a", (1, 2), codes=5), Group("b", (2, 2), codes=5))
TRAINING = 3
"""How many steps an objective with a state of its own is trained."""


def groups_of(subject: PartSubject) -> tuple[Group, ...]:
    """Choose groups that fit the objective: two real-valued ones where it allows, else codes, else none.

    :raises LawBroken: where its ``needs`` of the latents fit none of these
    """
    kinds = (
        (REALS, {"real", "density"}),
        (REALS[:1], {"real", "density", "single"}),
        (CODES, {"codes"}),
        (CODES[:1], {"codes", "single"}),
        ((), {"nothing"}),
    )
    needs = subject.target.needs.get("latent", frozenset())
    for groups, offers in kinds:
        if all(not offers.isdisjoint(word.split("|")) for word in needs):
            return groups
    raise LawBroken(
        "no latents that the laws can make offer the words that it needs",
        ", ".join(sorted(needs)),
        "real, density, codes, single or nothing",
    )


def image_of(subject: PartSubject, channels: int, side: int) -> ImageShape:
    """Choose square images of 17 levels, or other levels and channels that the objective allows.

    :raises LawBroken: where its ``needs`` of the data fit no image
    """
    preferred = ImageShape(channels, side, side, 17)
    if subject.fits(preferred):
        return preferred
    fitting = [ImageShape(c, side, side, n) for c in (channels, 1, 3) for n in (2, 17, 256)]
    shape = next(filter(subject.fits, fitting), None)
    if shape is None:
        raise LawBroken(
            "no image has the words that it needs of the data",
            ", ".join(sorted(subject.target.needs["data"])),
            "binary, grey or colour",
        )
    return shape


def made(
    subject: PartSubject,
    parameters: dict[str, Any],
    seed: int,
    image: ImageShape | None = None,
    trained: bool = False,
) -> Objective:
    """Build the objective from a seed, in float64; with ``trained``, train it a few steps on random terms.

    :raises NotTriedError: where its constructor refuses the parameters
    """
    torch.manual_seed(seed)
    groups = groups_of(subject)
    try:
        objective: Objective = subject.target(groups, image or image_of(subject, 1, 8), **parameters).double()
    except UsageError as error:
        raise NotTriedError(str(error)) from error
    hold(objective.samples >= 1, "the number of samples per image (samples)", objective.samples, "1 or more")
    for step in range(1, TRAINING + 1) if trained else ():
        _train(objective, terms(groups, objective.samples, 8, seed + step), Progress(step, TRAINING))
    return objective


def _train(objective: Objective, scored: Scored, progress: Progress) -> None:
    objective.train()
    loss = objective(scored, progress).mean()
    for penalty in objective.penalties(progress).values():
        loss = loss + penalty
    weights = [p for p in objective.parameters() if p.requires_grad]
    gradients = (
        torch.autograd.grad(loss, weights, allow_unused=True) if weights and loss.requires_grad else ()
    )
    with torch.no_grad():
        for weight, gradient in zip(weights, gradients, strict=False):
            if gradient is not None:
                weight.sub_(1e-3 * gradient / (gradient.square().mean().sqrt() + 1e-12))
    objective.after_step()


def terms(groups: tuple[Group, ...], samples: int, batch: int, seed: int) -> Scored:
    """Draw distortions of 5 to 55 nats, and groups of normals or codes, with gradients; float64."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    listed = []
    for group in groups:
        shape = (samples * batch, *group.shape)
        if group.codes is not None:
            z = torch.randint(0, group.codes, shape, generator=generator)
            zeros = torch.zeros(shape, dtype=torch.float64)
            listed.append(Term(group, z, Codes(z), UniformCodes(zeros, group.codes)))
            continue
        q = DiagonalNormal(normal(*shape).requires_grad_(), (0.5 * normal(*shape)).requires_grad_())
        z = (q.location + q.log_std.exp() * normal(*shape)).detach()
        listed.append(Term(group, z, q, StandardNormal(torch.zeros(shape).double())))
    distortion = 50 * torch.rand((samples, batch), generator=generator, dtype=torch.float64) + 5
    return Scored(distortion.requires_grad_(), listed)


def rows_of(scored: Scored, images: Tensor) -> Scored:
    """Select the terms of some images, in the given order, with all samples of each."""
    samples = len(scored.distortion)
    rows = (images[:, None] * samples + torch.arange(samples)).flatten()
    listed = []
    for t in scored.terms:
        z = t.z[rows]
        if isinstance(t.q, DiagonalNormal):
            q: Any = DiagonalNormal(t.q.location[rows], t.q.log_std[rows])
            listed.append(Term(t.group, z, q, StandardNormal(torch.zeros_like(z))))
        else:
            assert t.group.codes is not None
            listed.append(
                Term(t.group, z, Codes(z), UniformCodes(torch.zeros(z.shape).double(), t.group.codes))
            )
    return Scored(scored.distortion[:, images], listed)


def cases(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of parameters, samples, batch size, step, training and seed."""
    return st.fixed_dictionaries(
        {
            "parameters": strategies.parameters(subject.target),
            "samples": st.sampled_from([1, 2, 5]),
            "batch": st.sampled_from([1, 3, 8]),
            "step": st.sampled_from([100, 1, 50]),
            "trained": st.booleans(),
            "seed": strategies.seeds,
        }
    )


def given(subject: PartSubject, objective: Objective, samples: int, batch: int, seed: int) -> Scored:
    """Draw terms with at least as many samples as the objective needs."""
    return terms(groups_of(subject), max(samples, objective.samples), batch, seed)


def is_per_image(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Check shape and finiteness of the loss, and reorder the batch."""
    objective = made(subject, parameters, seed, trained=trained).eval()
    scored = given(subject, objective, samples, batch, seed)
    loss = objective(scored, Progress(step, 100))
    hold(loss.shape == (batch,), f"the shape of the loss of {batch} images", tuple(loss.shape), (batch,))
    hold(loss.isfinite().all(), "the loss of an image is not finite", loss, "finite numbers")
    if subject.target.over == "batch":
        return
    order = torch.randperm(batch)
    again = objective(rows_of(scored, order), Progress(step, 100))
    close(again, loss[order], "the loss of an image in a reordered batch")


def modes_agree(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Compare the loss in train and eval mode."""
    losses = []
    for mode in (True, False):
        objective = made(subject, parameters, seed, trained=trained).train(mode)
        torch.manual_seed(seed)
        losses.append(objective(given(subject, objective, samples, batch, seed), Progress(step, 100)))
    close(losses[1], losses[0], "the loss of an image in eval mode, against train mode")


def is_its_formula(
    subject: PartSubject, parameters: dict, samples: int, batch: int, step: int, trained: bool, seed: int
) -> None:
    """Compare each image alone in its batch, so that means over the batch are the image's own."""
    groups, image = groups_of(subject), image_of(subject, 1, 8)
    objective = made(subject, parameters, seed, image).eval()
    scored = given(subject, objective, samples, batch, seed)
    progress = Progress(step, 100)
    formula = formula_of(subject.target)
    assert formula is not None
    for i in range(batch):
        single = rows_of(scored, torch.tensor([i]))
        loss = objective(single, progress).item()
        due = formula(
            single.distortion[:, 0].tolist(),
            [rate[:, 0].tolist() for rate in single.kl()],
            single.log_weights()[:, 0].tolist(),
            progress,
            groups,
            image,
            **parameters,
        )
        close(loss, due, "the loss of an image alone, against the formula, in nats", 1e-9, 1e-9)


def no_formula(subject: Subject) -> str | None:
    """Skip objectives without a formula."""
    return None if formula_of(subject.target) else "its class states no formula"


OBJECTIVES = (
    Law(
        "there is one loss per image",
        "The loss has one finite value per image, for any number of samples and images; unless over is "
        "'batch', it does not depend on the order of the batch.",
        CONTRACT + ".forward and .over",
        is_per_image,
        cases,
        tries=30,
    ),
    Law(
        "the loss matches its formula",
        "The loss equals the class's formula, computed in plain numbers, at any step.",
        CONTRACT + ".formula",
        is_its_formula,
        cases,
        tries=40,
        unless=no_formula,
    ),
    Law(
        "the loss is the same in both modes",
        "The loss of the same terms is the same in train and in eval mode.",
        CONTRACT + ".forward",
        modes_agree,
        cases,
        tries=10,
    ),
)
