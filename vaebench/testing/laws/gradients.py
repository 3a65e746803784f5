"""Laws of a training step in any component: its gradients, without and with recomputation."""

import torch
from torch import Tensor

from vaebench.contracts import ImageShape, Progress
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.testing.law import Law, LawBroken, close, hold
from vaebench.testing.laws.every import train
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, Subject, random_images

SEEDS = 6
"""How many seeds are tried before a parameter counts as one that no gradient reaches."""


def gradient_reaches(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Try other seeds where a gradient is zero: a ReLU may start dead by chance."""
    left: set[str] | None = None
    for other in range(seed, seed + SEEDS):
        model = subject.model(image, parameters, other)
        unmoved = _unmoved(subject, model, train(model, image, 4, other))
        left = unmoved if left is None else left & unmoved
        if not left:
            return
    hold(
        not left,
        f"the gradient of {', '.join(sorted(left or ()))} is zero in 4 steps from each of {SEEDS} seeds",
        0.0,
        "more than 0 from some seed, or a reason in the class attribute untrained",
    )


def _unmoved(subject: PartSubject, model: Vae, largest: dict[str, Tensor]) -> set[str]:
    """List the parameters whose gradient is zero.

    :raises LawBroken: for a parameter without a gradient, or with one that is not finite
    """
    part = subject.part(model)
    names = {id(p): name for name, p in model.named_parameters()}
    zero = set()
    for local, p in part.named_parameters():
        if not p.requires_grad or any(local.startswith(start) for start in part.untrained):
            continue
        reached = largest.get(names[id(p)])
        if reached is None:
            raise LawBroken(f"no gradient reaches {local}, of shape {tuple(p.shape)}", "none", "a gradient")
        hold(reached.isfinite(), f"the largest gradient of {local}", reached.item(), "a finite number")
        if reached == 0:
            zero.add(local)
    return zero


def recompute_changes_nothing(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare loss, gradients and the state after a step, with activations recomputed and with all kept."""
    x, results = random_images(image, 4, seed), []
    for recompute in (False, True):
        model = subject.model(image, parameters, seed).train()
        for part in model.parts:
            part.recompute = recompute
        torch.manual_seed(seed)
        loss, _ = model.loss(x, TorchNoise(), Progress(1, 3))
        loss.backward()
        model.after_step()
        state = {f"state of {n}": t for n, t in model.state_dict().items() if t.is_floating_point()}
        grads = {f"gradient of {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
        results.append({"loss": loss, **grads, **state})
    plain, again = results
    hold(
        plain.keys() == again.keys(), "the number of compared values, with recompute", len(again), len(plain)
    )
    for name, value in plain.items():
        close(again[name].nan_to_num(), value.nan_to_num(), f"the {name} with recompute, against without")


def _keeps_no_map(subject: Subject) -> str | None:
    kept = subject.kind in ("encoder", "latent", "prior", "decoder")
    return None if kept else f"a {subject.kind} keeps no activations"


GRADIENTS = (
    Law(
        "gradient reaches every parameter",
        "Each parameter has a nonzero gradient within four steps from some seed, or untrained says why not.",
        "vaebench/contracts.py, Component.untrained",
        gradient_reaches,
        lambda subject: models(subject, 4, 7),
        tries=6,
    ),
    Law(
        "recompute changes nothing",
        "With activations recomputed, the loss, its gradients and running statistics stay the same.",
        "vaebench/contracts.py, Component.recompute",
        recompute_changes_nothing,
        models,
        tries=2,
        unless=_keeps_no_map,
    ),
)
