"""Laws of latent layers that offer ``codes``: what vector quantisation promises through the contract."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Given, ImageShape, Infer, Progress
from vaebench.distributions import kl
from vaebench.model import Vae
from vaebench.testing.law import Law, close, hold
from vaebench.testing.laws.every import train
from vaebench.testing.laws.latents import composed, inferred, lacks
from vaebench.testing.strategies import images, models, seeds
from vaebench.testing.subject import PartSubject, Subject, random_images, rows


def codes_are_certain(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    model = composed(subject, image, parameters, seed)
    walk = inferred(model, image, seed)
    for term in walk.terms:
        assert term.q is not None
        assert term.group.codes is not None
        z = term.z
        hold(z.dtype == torch.int64, "codes are", z.dtype, torch.int64)
        inside = z.min() >= 0 and z.max() < term.group.codes
        hold(inside, "a code is outside 0 .. codes-1", (z.min().item(), z.max().item()), term.group.codes)
        close(term.q.log_prob(z), torch.zeros(len(z)), "log q of the codes inferred (counting measure)")
        if term.group.codes > 1:
            other = (z + 1) % term.group.codes
            hold((term.q.log_prob(other) == -torch.inf).all(), "log q of other codes", None, "-inf")
        rate = kl(term.q, term.p, z)
        close(rate, -term.p.log_prob(z), "the rate of codes is −log p(z)")
        hold((rate >= -1e-9).all(), "a rate of codes is negative", rate.min().item(), "0 or more")


def straight_through(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """What training sees of the quantiser is the code alone in value, and the encoder in gradient."""
    model = composed(subject, image, parameters, seed).train()
    features = tuple(
        f.detach().requires_grad_() for f in model.encoder(model.normalise(random_images(image, 3, seed)))
    )
    walk = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    total = sum((f * torch.randn_like(f)).sum() for f in walk.features)
    assert isinstance(total, Tensor)
    reached = torch.autograd.grad(total, features, allow_unused=True)
    live = [g for g in reached if g is not None and g.abs().max() > 0]
    hold(live, "no gradient passes the quantiser from the decoder to the encoder", "none", "straight-through")
    with torch.no_grad():
        plain = model.latent.walk(None, Given([t.z for t in walk.terms]), model.prior, rows(3), 3)
    for a, b in zip(walk.features, plain.features, strict=True):
        close(a, b, "features in training, against those of the codes", 1e-8, 1e-8)


def asking_changes_no_code(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """In train mode too: what a batch teaches is committed by after_step, after its own look-up."""
    model = subject.model(image, parameters, seed)
    train(model, image, 1, seed)  # a codebook may start from the first batch
    x = random_images(image, 8, seed)
    with torch.no_grad():
        before = code_features(model)
        first = [t.z.clone() for t in model.infer(x, rows(8)).terms]
        close(code_features(model), before, "a code's features after a look-up with no step", 0, 0)
        second = [t.z for t in model.infer(x, rows(8)).terms]
    for a, b in zip(first, second, strict=True):
        hold(torch.equal(a, b), "codes of the same images differ with no step between", b, a)


def gradient_ignores_the_code(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Straight through, d features / d encoder is the identity: the same whichever code was taken."""
    model = composed(subject, image, parameters, seed).train()
    features = tuple(
        f.detach().requires_grad_() for f in model.encoder(model.normalise(random_images(image, 3, seed)))
    )
    first = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    root = first.terms[0]
    assert root.group.codes is not None
    other = Given([(root.z + 1) % root.group.codes, *(t.z for t in first.terms[1:])])
    second = model.latent.walk(features, other, model.prior, rows(3), 3)
    weights = [torch.randn_like(f) for f in first.features]
    found = []
    for walk in (first, second):
        total = sum((f * w).sum() for f, w in zip(walk.features, weights, strict=True))
        assert isinstance(total, Tensor)
        found.append(torch.autograd.grad(total, features, allow_unused=True))
    if len(first.terms) > 1:
        return  # the groups below see the other code
    for a, b in zip(*found, strict=True):
        if a is not None and b is not None:
            close(b, a, "the encoder's gradient where another code was taken, against the nearest")


def codes_stay_in_reach(subject: PartSubject, image: ImageShape, seed: int) -> None:
    """After 40 steps in which many codes find no use, no code's features have left the data's scale."""
    model = subject.model(image, None, seed)

    with torch.no_grad():
        before = code_features(model).abs().max()
    train(model, image, 40, seed)
    model.eval()
    with torch.no_grad():
        after = code_features(model)
        seen = model.infer(random_images(image, 16, seed), rows(16)).features[0].abs().max()
    hold(after.isfinite().all(), "a code's features are not finite after 40 steps", after)
    limit = 10 * max(before.item(), seen.item(), 1.0)
    hold(
        after.abs().max() <= limit,
        "a code's features after 40 steps",
        after.abs().max().item(),
        f"at most {limit:.3g}",
    )


def codes_move_slowly(subject: PartSubject, image: ImageShape, seed: int) -> None:
    """Where after_step moves codes: used to some images, one step on others is a small part of 60 such."""
    model = subject.model(image, None, seed).train()

    def step(images_of: int, times: int) -> Tensor:
        for i in range(times):
            model.loss(random_images(image, 16, seed + images_of), rows(16, seed=i), Progress(1, 1))
            model.after_step()
        return code_features(model)

    with torch.no_grad():
        start, one = step(1, 60), step(2, 1)
        far = (step(2, 59) - start).abs().max().item()
    moved = (one - start).abs().max().item()
    hold(
        moved <= 0.25 * far + 1e-9, "how far one step moves a code", moved, f"at most a quarter of {far:.4g}"
    )


def code_features(model: Vae) -> Tensor:
    """(K, ...), the finest features of grids that hold one code throughout."""
    groups = model.latent.groups
    each = torch.arange(min(g.codes for g in groups if g.codes is not None))
    grids = [each.reshape(-1, *(1 for _ in g.shape)).expand(-1, *g.shape) for g in groups]
    walk = model.latent.walk(None, Given(grids), model.prior, rows(len(each)), len(each))
    return torch.cat([f.flatten(1) for f in walk.features], 1)


def _fresh(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    assert isinstance(subject, PartSubject)
    return st.fixed_dictionaries({"image": images(subject, 4, 7), "seed": seeds})


QUANTISATION = (
    Law(
        "codes are certain",
        "Codes are int64 within 0 .. codes-1, log q is 0 for them and −∞ for others, and the rate −log p.",
        "vaebench/terms.py, Term",
        codes_are_certain,
        models,
        unless=lacks("codes"),
    ),
    Law(
        "straight through",
        "In training the features are those of the codes, and their gradient reaches the encoder.",
        "van den Oord et al. 2017, sec. 3.2",
        straight_through,
        models,
        unless=lacks("codes"),
    ),
    Law(
        "the gradient ignores the code",
        "Straight through is the identity: the encoder's gradient is the same whichever code was taken.",
        "van den Oord et al. 2017, sec. 3.2",
        gradient_ignores_the_code,
        models,
        tries=8,
        unless=lacks("codes"),
    ),
    Law(
        "codes stay in reach",
        "At the defaults, after 40 steps every code's features are finite and within ten times the data's.",
        "van den Oord et al. 2017, app. A.1 (counts that start at zero leave unused codes to explode)",
        codes_stay_in_reach,
        _fresh,
        tries=3,
        unless=lacks("codes"),
    ),
    Law(
        "codes move slowly",
        "At the defaults, a running average takes a small part of each new batch.",
        "van den Oord et al. 2017, app. A.1: N ← γN + (1−γ)n",
        codes_move_slowly,
        _fresh,
        tries=3,
        unless=lacks("codes"),
    ),
    Law(
        "look-up before update",
        "Asking for codes in train mode changes none: only after_step does.",
        "vaebench/contracts.py, Part.after_step",
        asking_changes_no_code,
        models,
        tries=8,
        unless=lacks("codes"),
    ),
)
