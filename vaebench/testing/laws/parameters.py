"""The law that every parameter has an effect: some of its values give models that differ."""

import hashlib
import itertools
import random
from collections.abc import Iterable, Iterator
from typing import Any, get_args, get_origin

import torch
from torch import Tensor

from vaebench.composing.parameters import parameters_of
from vaebench.contracts import ImageShape, Progress
from vaebench.errors import UsageError
from vaebench.model import Vae
from vaebench.testing.law import Law, LawBroken, NotTriedError
from vaebench.testing.laws import likelihoods, objectives
from vaebench.testing.laws.every import scores, train
from vaebench.testing.subject import PartSubject, Subject, random_images, rows
from vaebench.testing.values import excuses, extremes, small

CONTEXTS = 10
"""How many images and values of the other parameters are tried before one counts as without effect."""
SIDES = ((8, 8), (4, 4), (5, 7), (1, 1))
PROMISED = ("levels", "groups", "out", "width", "channels", "samples", "classes")
"""Attributes that the contracts name."""


def parameters_act(subject: PartSubject) -> None:
    """Compare models with different values of each parameter."""
    for name, values in testable(subject).items():
        left = _pairs(subject, name, values)
        seen: set[str] = set()
        for image, others in _contexts(subject, name):
            left = _alike(subject, image, others, name, left, seen)
            if not left:
                break
        if not seen:
            raise NotTriedError(f"every tried value of {name} is refused")
        if left:
            first, second = left[0]
            raise LawBroken(
                f"parameter {name} has no effect: {name}={first} and {name}={second} give the same "
                f"structure, weights, losses, penalties, scores and samples in each of {CONTEXTS} models",
                "no difference",
                "a difference, or a reason as Meta(extra={'unseen': '...'}) in its annotation",
            )


def testable(subject: Subject) -> dict[str, tuple[Any, ...]]:
    """Map parameters to their values, where there are two or more and no reason to skip the law."""
    excused = excuses(subject.target)
    values = extremes(subject.target)
    return {name: some for name, some in values.items() if len(some) > 1 and name not in excused}


def _pairs(subject: PartSubject, name: str, values: tuple[Any, ...]) -> list[tuple[Any, Any]]:
    """The pairs of values to compare: all choices of a Literal or bool; else the first and last value."""
    annotation = parameters_of(subject.target)[name].type
    inner = get_args(annotation)[0] if get_origin(annotation) is not None else annotation
    choices = all(isinstance(v, bool | str) for v in values) and inner is not str
    return list(itertools.combinations(values, 2)) if choices else [(values[0], values[-1])]


def _contexts(subject: PartSubject, name: str) -> Iterator[tuple[ImageShape, dict[str, Any]]]:
    """Image shapes with the other parameters: small defaults first, then random values, always the same."""
    chance = random.Random(name)
    others = {n: some for n, some in extremes(subject.target).items() if n != name}
    kinds = subject.kinds_of_image
    for i in range(CONTEXTS):
        image = ImageShape(kinds[i % len(kinds)][0], *SIDES[i % len(SIDES)], kinds[i % len(kinds)][1])
        plain = {n: v for n, v in small(subject.target).items() if n != name}
        yield image, plain if i < 2 else {n: chance.choice(some) for n, some in others.items()}


def _alike(
    subject: PartSubject,
    image: ImageShape,
    others: dict[str, Any],
    name: str,
    pairs: list[tuple[Any, Any]],
    seen: set[str],
) -> list[tuple[Any, Any]]:
    """The pairs of values that do not differ; where values are not choices, any two may differ instead."""
    choices = len(pairs) > 1 or isinstance(pairs[0][0], bool)
    values = dict.fromkeys(v for pair in pairs for v in pair)
    if not choices:
        values = dict.fromkeys(extremes(subject.target)[name])
    for look in (_structure, _behaviour):
        looks = {}
        for value in values:
            try:
                looks[value] = look(subject, image, {**others, name: value})
            except (NotTriedError, UsageError):
                continue
        seen |= set(looks.values())
        if not choices and len(set(looks.values())) > 1:
            return []
        pairs = [p for p in pairs if looks.get(p[0]) == looks.get(p[1]) or not set(p) <= set(looks)]
        if not pairs:
            return []
    return pairs


def _structure(subject: PartSubject, image: ImageShape, parameters: dict[str, Any]) -> str:
    """A digest of the promised attributes and of the names and values of the model's initial weights."""
    model = subject.model(image, parameters)
    part = subject.part(model)
    words = [repr(getattr(part, a, None)) for a in PROMISED]
    return _digest([*words, *itertools.chain(*model.state_dict().items())])


def _behaviour(subject: PartSubject, image: ImageShape, parameters: dict[str, Any]) -> str:
    """A digest of what the model computes before and after two training steps; extreme inputs too."""
    model = subject.model(image, parameters)
    things: list[Any] = [*_outputs(model, image)]
    train(model, image, 2, 0)
    things += [*model.state_dict().values(), *_outputs(model, image)]
    if subject.kind == "likelihood":
        things += _of_likelihood(subject, image, parameters)
    if subject.kind == "objective":
        things += _of_objective(subject, parameters)
    return _digest(things)


def _outputs(model: Vae, image: ImageShape) -> Iterator[Tensor]:
    x = random_images(image, 3, 0)
    model.train()
    torch.manual_seed(0)
    loss, scored = model.loss(x, rows(3, model.objective.samples), Progress(1, 3))
    yield loss
    yield from scored.penalties().values()
    for part in model.parts:
        yield from part.penalties(Progress(1, 3)).values()
    model.eval()
    with torch.no_grad():
        yield scores(model, x, rows(3))
        yield model.reconstruct(x, rows(3))
        yield model.sample(3, rows(3))


def _of_likelihood(subject: PartSubject, image: ImageShape, parameters: dict[str, Any]) -> Iterator[Tensor]:
    likelihood = likelihoods.made(subject, image, parameters)
    for spread in likelihoods.SPREADS:
        params = likelihoods.drawn(likelihood, 0, spread, batch=3)
        yield likelihood.log_prob(params, random_images(image, 3, 0))
        yield likelihood.sample(params, rows(3))
        yield likelihood.mean(params)


def _of_objective(subject: PartSubject, parameters: dict[str, Any]) -> Iterator[Tensor]:
    objective = objectives.made(subject, parameters, 0)
    for step in (0, 1, 10, 30, 60, 100):
        scored = objectives.given(subject, objective, 1, 3, step)
        yield objective(scored, Progress(step, 100))


def _digest(things: Iterable[Any]) -> str:
    total = hashlib.sha256()
    for thing in things:
        if isinstance(thing, Tensor):
            total.update(repr((thing.shape, thing.dtype)).encode())
            total.update(thing.detach().contiguous().numpy().tobytes())
        else:
            total.update(repr(thing).encode())
    return total.hexdigest()


def _has_none(subject: Subject) -> str | None:
    return None if testable(subject) else "it has no parameter with two values to compare"


PARAMETERS = (
    Law(
        "every parameter has an effect",
        "Values of each parameter, and all choices of a Literal or bool, change what is built or computed.",
        "vaebench/parameters.py; vaebench/testing/values.py, excuses",
        parameters_act,
        unless=_has_none,
    ),
)
