"""Laws of latent layers that offer ``codes``: vector quantisation through the contract."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import Given, Group, ImageShape, Infer, Progress
from vaebench.distributions import kl
from vaebench.model import Vae
from vaebench.testing.law import Law, LawBroken, close, hold, same
from vaebench.testing.laws.every import train
from vaebench.testing.laws.latents import composed, inferred, lacks, posterior_of
from vaebench.testing.strategies import images, models, seeds
from vaebench.testing.subject import PartSubject, Subject, random_images, rows


def codes_are_certain(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Check range, posterior and rate of inferred codes."""
    model = composed(subject, image, parameters, seed)
    walk = inferred(model, image, seed)
    for term in walk.terms:
        q, z, count = posterior_of(term), term.z, codes_of(term.group)
        hold(z.dtype == torch.int64, "the dtype of codes", z.dtype, torch.int64)
        ends = (z.min().item(), z.max().item())
        inside = ends[0] >= 0 and ends[1] < count
        hold(inside, "the smallest and largest code lie outside 0 .. codes-1", ends, f"0 .. {count - 1}")
        close(q.log_prob(z), torch.zeros(len(z)), "log q of the inferred codes (counting measure)")
        if count > 1:
            close(q.log_prob((z + 1) % count), torch.full((len(z),), -torch.inf), "log q of other codes")
        rate = kl(q, term.p, z)
        close(rate, -term.p.log_prob(z), "the rate of codes, against −log p(z)")
        hold((rate >= -1e-9).all(), "a rate of codes is negative", rate.min().item(), "0 or more")


def codes_of(group: Group) -> int:
    """Return the number of codes of a group.

    :raises LawBroken: where the group states none
    """
    if group.codes is None:
        raise LawBroken(f"group {group.name}: the layer offers codes, but Group.codes is missing", None, "K")
    return group.codes


def straight_through(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """In training the features have the codes' value and the encoder's gradient."""
    model = composed(subject, image, parameters, seed).train()
    features = tuple(
        f.detach().requires_grad_() for f in model.encoder(model.normalise(random_images(image, 3, seed)))
    )
    walk = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    total = sum((f * torch.randn_like(f)).sum() for f in walk.features)
    assert isinstance(total, Tensor)
    reached = torch.autograd.grad(total, features, allow_unused=True)
    live = [g for g in reached if g is not None and g.abs().max() > 0]
    hold(live, "no gradient passes through the quantiser to the encoder", "none", "straight-through")
    with torch.no_grad():
        plain = model.latent.walk(None, Given([t.z for t in walk.terms]), model.prior, rows(3), 3)
    for a, b in zip(walk.features, plain.features, strict=True):
        close(a, b, "features in training, against features of the same codes", 1e-8, 1e-8)


def asking_changes_no_code(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """In train mode, only after_step commits what a batch changes, after the batch's own look-up."""
    model = subject.model(image, parameters, seed)
    train(model, image, 1, seed)  # a codebook may start from the first batch
    x = random_images(image, 8, seed)
    with torch.no_grad():
        before = code_features(model)
        first = [t.z.clone() for t in model.infer(x, rows(8)).terms]
        same(code_features(model), before, "a code's features differ after a look-up without a step")
        second = [t.z for t in model.infer(x, rows(8)).terms]
    for a, b in zip(first, second, strict=True):
        same(b, a, "a code of the same images differs in a second look-up without a step")


def gradient_ignores_the_code(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """With straight-through gradients d features / d encoder is the identity, for any code."""
    model = composed(subject, image, parameters, seed).train()
    features = tuple(
        f.detach().requires_grad_() for f in model.encoder(model.normalise(random_images(image, 3, seed)))
    )
    first = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    root = first.terms[0]
    other = Given([(root.z + 1) % codes_of(root.group), *(t.z for t in first.terms[1:])])
    second = model.latent.walk(features, other, model.prior, rows(3), 3)
    weights = [torch.randn_like(f) for f in first.features]
    gradients = []
    for walk in (first, second):
        total = sum((f * w).sum() for f, w in zip(walk.features, weights, strict=True))
        assert isinstance(total, Tensor)
        gradients.append(torch.autograd.grad(total, features, allow_unused=True))
    if len(first.terms) > 1:
        return  # the groups below see the other code
    for a, b in zip(*gradients, strict=True):
        if a is not None and b is not None:
            close(b, a, "the encoder's gradient with another code, against the gradient with the nearest")


def the_code_is_the_best(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """No other code at one place has a smaller commitment penalty, so the chosen code is the nearest."""
    model = composed(subject, image, parameters, seed)
    features = model.encoder(model.normalise(random_images(image, 3, seed)))
    first = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    root = first.terms[0]
    if "commitment" not in root.penalties:
        return  # there is no penalty to compare
    chosen = root.penalties["commitment"]
    count, size = codes_of(root.group), root.z[0].numel()
    for place in {0, size - 1}:
        for code in range(count):
            other = root.z.flatten(1).clone()
            other[:, place] = code
            given = Given([other.view_as(root.z), *(t.z for t in first.terms[1:])])
            walk = model.latent.walk(features, given, model.prior, rows(3), 3)
            excess = (chosen - walk.terms[0].penalties["commitment"]).max().item()
            hold(
                excess <= 1e-9,
                f"group {root.group.name}: the commitment penalty of the chosen code, minus that of code "
                f"{code} at place {place}",
                excess,
                "0 or less",
            )


MOVES = {"commitment": ("encoder", "codebook"), "codebook": ("codebook", "encoder")}
"""Penalty -> what it trains, and what it must not change."""


def penalties_move_what_they_name(
    subject: PartSubject, image: ImageShape, parameters: dict, seed: int
) -> None:
    """The commitment trains only the encoder's features, the codebook penalty only the codes."""
    model = composed(subject, image, parameters, seed).train()
    features = tuple(
        f.detach().requires_grad_() for f in model.encoder(model.normalise(random_images(image, 3, seed)))
    )
    walk = model.latent.walk(features, Infer(), model.prior, rows(3), 3)
    codes = _code_weights(model)
    for term in walk.terms:
        for name in MOVES.keys() & term.penalties.keys():
            value = term.penalties[name].sum()
            hold(value >= 0, f"group {term.group.name}: the penalty {name}", value.item(), "0 or more")
            if value == 0:
                continue
            reached = {"encoder": _largest(value, features), "codebook": _largest(value, codes)}
            moves, keeps = MOVES[name]
            where = f"group {term.group.name}: the largest gradient of the penalty {name} in the"
            hold(reached[moves] > 0, f"{where} {moves}, which it trains", reached[moves], "more than 0")
            hold(reached[keeps] == 0, f"{where} {keeps}, which it must not change", reached[keeps], 0.0)


def _code_weights(model: Vae) -> tuple[Tensor, ...]:
    """The trainable parameters that the features of given codes depend on."""
    weights = tuple(p for p in model.latent.parameters() if p.requires_grad)
    total = code_features(model).square().sum()
    if not weights or not total.requires_grad:
        return ()
    gradients = torch.autograd.grad(total, weights, allow_unused=True)
    return tuple(w for w, gradient in zip(weights, gradients, strict=True) if gradient is not None)


def _largest(value: Tensor, inputs: tuple[Tensor, ...]) -> float:
    if not inputs or not value.requires_grad:
        return 0.0
    reached = torch.autograd.grad(value, inputs, retain_graph=True, allow_unused=True)
    return max((g.abs().max().item() for g in reached if g is not None), default=0.0)


def codes_stay_in_reach(subject: PartSubject, image: ImageShape, seed: int) -> None:
    """After 40 steps in which many codes are unused, every code's features keep the data's scale."""
    model = subject.model(image, None, seed)

    with torch.no_grad():
        before = code_features(model).abs().max()
    train(model, image, 40, seed)
    model.eval()
    with torch.no_grad():
        after = code_features(model)
        seen = model.infer(random_images(image, 16, seed), rows(16)).features[0].abs().max()
    finite = "finite numbers"
    hold(after.isfinite().all(), "a code's features are not finite after 40 steps", after, finite)
    limit = 10 * max(before.item(), seen.item(), 1.0)
    hold(
        after.abs().max() <= limit,
        "the largest feature of a code after 40 steps",
        after.abs().max().item(),
        f"at most {limit:.3g}",
    )


def codes_move_slowly(subject: PartSubject, image: ImageShape, seed: int) -> None:
    """Where after_step moves codes, one step on new images moves them a small part of what 60 steps do."""
    model = subject.model(image, None, seed).train()

    def step(batch_seed: int, times: int) -> Tensor:
        for i in range(times):
            model.loss(random_images(image, 16, seed + batch_seed), rows(16, seed=i), Progress(1, 1))
            model.after_step()
        return code_features(model)

    with torch.no_grad():
        start, after_one = step(1, 60), step(2, 1)
        far = (step(2, 59) - start).abs().max().item()
    moved = (after_one - start).abs().max().item()
    hold(
        moved <= 0.25 * far + 1e-9,
        "the distance that one step moves a code",
        moved,
        f"at most a quarter of {far:.4g}",
    )


def code_features(model: Vae) -> Tensor:
    """Compute the features (K, ...) of grids that hold one code at every place."""
    groups = model.latent.groups
    codes = torch.arange(min(map(codes_of, groups)))
    grids = [codes.reshape(-1, *(1 for _ in g.shape)).expand(-1, *g.shape) for g in groups]
    walk = model.latent.walk(None, Given(grids), model.prior, rows(len(codes)), len(codes))
    return torch.cat([f.flatten(1) for f in walk.features], 1)


def _fresh(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    assert isinstance(subject, PartSubject)
    return st.fixed_dictionaries({"image": images(subject, 4, 7), "seed": seeds})


QUANTISATION = (
    Law(
        "codes are certain",
        "Codes are int64 in 0 .. codes-1; log q is 0 for them and −∞ for others; the rate is −log p.",
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
        "The straight-through gradient is the identity: the encoder's gradient is the same for any code.",
        "van den Oord et al. 2017, sec. 3.2",
        gradient_ignores_the_code,
        models,
        tries=8,
        unless=lacks("codes"),
    ),
    Law(
        "the nearest code is taken",
        "No other code at a place has a smaller commitment penalty: the chosen code is the nearest.",
        "van den Oord et al. 2017, eq. 1 and 3",
        the_code_is_the_best,
        models,
        tries=6,
        unless=lacks("codes"),
    ),
    Law(
        "each penalty trains what it names",
        "The penalty commitment trains only the encoder, the penalty codebook only the codes.",
        "van den Oord et al. 2017, eq. 3 (stop-gradients)",
        penalties_move_what_they_name,
        models,
        tries=6,
        unless=lacks("codes"),
    ),
    Law(
        "codes stay near the data",
        "At the defaults, after 40 steps every code's features are finite and at most ten times the data's.",
        "van den Oord et al. 2017, app. A.1 (counts that start at zero leave unused codes to explode)",
        codes_stay_in_reach,
        _fresh,
        tries=3,
        unless=lacks("codes"),
    ),
    Law(
        "codes move slowly",
        "At the defaults, one new batch moves a running average only a little.",
        "van den Oord et al. 2017, app. A.1: N ← γN + (1−γ)n",
        codes_move_slowly,
        _fresh,
        tries=3,
        unless=lacks("codes"),
    ),
    Law(
        "a look-up changes no code",
        "A look-up in train mode changes no code; only after_step does.",
        "vaebench/contracts.py, Component.after_step",
        asking_changes_no_code,
        models,
        tries=8,
        unless=lacks("codes"),
    ),
)
