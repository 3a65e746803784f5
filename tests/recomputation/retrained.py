"""Training done again by a plain loop: from the same seeds to the weights that a run must have scored."""

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from tests.recomputation.by_hand import divergence, inferred, log_density, seed_for
from vaebench.contracts import Context, Dataset, Infer
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise, TorchNoise

Weights = dict[str, Tensor]
OPTIMISERS = {"adamw": torch.optim.AdamW, "adam": torch.optim.Adam, "adamax": torch.optim.Adamax}


def averaged(average: Weights | None, now: Weights, taken: int, settings: dict[str, Any]) -> Weights:
    """The rule of the weight average: a ← γ a + (1−γ) w, begun as the weights after the first step.

    With warm-up γ = min(ema, (1 + t) / (10 + t)) after t updates, else γ = ema.

    :param taken: t, the steps that were taken before this one
    """
    decay = settings["ema"] if taken else 0.0
    if settings["ema_warmup"]:
        decay = min(decay, (1 + taken) / (10 + taken))
    return {n: w.clone() if average is None else decay * average[n] + (1 - decay) * w for n, w in now.items()}


def rate_of_step(settings: dict[str, Any], step: int, total: int) -> float:
    """The learning rate: linear warm-up, then as it is or down a cosine."""
    top, warmup = settings["lr"], settings["warmup"]
    if step < warmup:
        return top * (step + 1) / warmup
    if settings["schedule"] == "constant":
        return top
    turn = 0.5 * (1 + math.cos(math.pi * (step - warmup) / (total - warmup)))
    return top * (settings["lr_end"] + (1 - settings["lr_end"]) * turn)


def seen_once(data: Dataset) -> Tensor:
    """The training images as a model sees them, where each draw is fresh: those of seed 0."""
    if data.draw is None:
        return data.train.images
    torch.manual_seed(0)
    return data.draw(data.train.images)


def batches(data: Dataset, batch: int, seed: int) -> Iterator[Tensor]:
    """The numbers of each step's images: every epoch's shuffle, one after the other, cut into batches."""
    left, epoch = torch.empty(0, dtype=torch.int64), 0
    while True:
        while len(left) < batch:
            generator = torch.Generator().manual_seed(seed_for(seed, "order", epoch))
            left = torch.cat([left, torch.randperm(len(data.train.images), generator=generator)])
            epoch += 1
        yield left[:batch]
        left = left[batch:]


@dataclass
class Went:
    """How training went, as a record tells it."""

    weights: Weights = field(default_factory=dict)
    raw: Weights = field(default_factory=dict)
    """The last weights, not averaged."""
    validations: list[tuple[int, float]] = field(default_factory=list)
    """Steps taken, and the bound in nats per image."""
    best_step: int = 0
    skipped: int = 0


def loop(
    module: nn.Module,
    data: Dataset,
    settings: dict[str, Any],
    seed: int,
    loss: Callable[[Tensor, Tensor | None, float], Tensor],
    bound: Callable[[Tensor], float],
    after: Callable[[], None],
) -> Went:
    """Train what of ``module`` has gradients; it has the chosen weights afterwards.

    :param loss: of a step's images, their classes, and the share of training that is done
    """
    went, average, total, batch = Went(), None, settings["steps"], settings["batch"]
    trained = {n: p for n, p in module.named_parameters() if p.requires_grad}
    betas = (settings["beta1"], settings["beta2"])
    rule = OPTIMISERS[settings["optimiser"]](
        trained.values(), betas=betas, eps=settings["eps"], weight_decay=settings["weight_decay"]
    )
    order = batches(data, batch, seed)
    every = settings["validate"] * len(data.train.images) / batch
    best = math.inf
    for step in range(total):
        places = next(order)
        torch.manual_seed(seed_for(seed, "step", step))
        x = data.train.images[places]
        x = x if data.draw is None else data.draw(x)
        rule.param_groups[0]["lr"] = rate_of_step(settings, step, total)
        rule.zero_grad()
        loss(x, None if data.train.labels is None else data.train.labels[places], step / total).backward()
        grads = [p.grad for p in trained.values() if p.grad is not None]
        norm = math.sqrt(sum(float(g.double().square().sum()) for g in grads))
        if settings["skip"] and norm > settings["skip"]:
            went.skipped += 1
        else:
            if settings["clip"]:
                for g in grads:
                    g.mul_(min(1.0, settings["clip"] / (norm + 1e-6)))
            rule.step()
            after()
            now = {n: t.detach().clone() for n, t in module.state_dict().items()}
            average = averaged(average, {n: now[n] for n in trained}, step - went.skipped, settings)
        went.raw = {n: t.detach().clone() for n, t in module.state_dict().items()}
        counted = {**went.raw, **(average or {})} if settings["ema"] else went.raw
        if (step + 1) // every > step // every or step + 1 == total:
            module.load_state_dict(counted)
            went.validations.append((step + 1, bound(data.validation.images)))
            module.load_state_dict(went.raw)
            if went.validations[-1][1] < best:
                best, went.best_step = went.validations[-1][1], step + 1
                if settings["keep_best"]:
                    went.weights = copy.deepcopy(counted)
        if not settings["keep_best"]:
            went.weights = counted
    module.load_state_dict(went.weights)
    return went


def objective(model: Vae, x: Tensor, noise: Noise, done: float, record: dict[str, Any]) -> Tensor:
    """The mean loss of a batch: −ELBO whose rate's weight rises, or the importance-weighted bound."""
    part = record["parts"]["obj"]
    samples = part["parameters"].get("samples", 1)
    terms, distortion = inferred(model, x.repeat_interleave(samples, 0).float(), noise)
    extra = sum((value.mean() for t in terms for value in t.penalties.values()), torch.zeros(()))
    if part["name"] == "elbo":
        warmup = part["parameters"]["warmup"]
        rate = torch.stack([divergence(t) for t in terms]).sum(0).to(distortion.dtype)
        return (distortion + min(1.0, done / warmup) * rate).mean() + extra
    assert part["name"] == "iwae"
    ratio = sum(log_density(t.q, t.z) - log_density(t.p, t.z) for t in terms)
    log_weights = (-distortion - ratio).reshape(-1, samples)
    return (math.log(samples) - torch.logsumexp(log_weights, 1)).mean() + extra


@torch.no_grad()
def validation_bound(model: Vae, images: Tensor, seed: int) -> float:
    """−ELBO of one draw, mean over the images."""
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    terms, distortion = inferred(model, images.float(), ImageNoise(seed, torch.arange(len(images))))
    for module, mode in modes:
        module.training = mode
    return float((distortion.double() + sum(divergence(t).double() for t in terms)).mean())


def begun(build: Callable[[], Vae], data: Dataset, seed: int, words: str) -> Vae:
    """A model before its first step, its parts having seen the training images and no other."""
    torch.manual_seed(seed_for(seed, words))
    model = build()
    images = seen_once(data)
    torch.manual_seed(seed_for(seed, "begin"))
    for part in model.parts:
        part.begin(images, data.train.labels)
    return model


def trained(
    build: Callable[[], Vae],
    data: Dataset,
    record: dict[str, Any],
    stand_in: Callable[[Vae], object] = lambda model: None,
) -> tuple[Vae, Went]:
    """The whole model, trained as the record says.

    :param stand_in: puts something else into the place of a prior that is fitted afterwards
    """
    seed, noise_seed = record["seed"], record["scoring"]["noise_seed"]
    model = begun(build, data, seed, "initial weights").train()
    stand_in(model)

    def commit() -> None:
        for part in model.parts:
            part.after_step()

    return model, loop(
        model,
        data,
        record["training"],
        seed,
        lambda x, labels, done: objective(model, x, TorchNoise(), done, record),
        lambda images: validation_bound(model, images, noise_seed),
        commit,
    )


def fitted(build: Callable[[], Vae], rest: Vae, data: Dataset, record: dict[str, Any]) -> tuple[Vae, Went]:
    """The model with its prior fitted to the codes of the trained rest, classes given where it knows them."""
    seed, noise_seed = record["seed"], record["scoring"]["noise_seed"]
    model = begun(build, data, seed, "initial weights").eval()
    own = model.prior.state_dict()
    model.load_state_dict(
        {n: t for n, t in rest.state_dict().items() if not n.startswith("prior.")}, strict=False
    )
    model.prior.load_state_dict(own)
    for p in model.parameters():
        p.requires_grad_(False)
    for p in model.prior.parameters():
        p.requires_grad_(True)
    model.prior.train()

    def rates(x: Tensor, noise: Noise, labels: Tensor | None) -> Tensor:
        with torch.no_grad():
            features = model.encoder((x.float() - model.shift) / model.scale)
            walk = model.latent.walk(features, Infer(), model.prior, noise, len(x))
        total = torch.zeros(len(x))
        for group, t in enumerate(walk.terms):
            p = model.prior.at(group, Context(len(x), t.above, noise, labels))
            assert p is not None
            total = total - p.log_prob(t.z)
        return total

    @torch.no_grad()
    def bound(images: Tensor) -> float:
        noise = ImageNoise(noise_seed, torch.arange(len(images)))
        return float(rates(images, noise, None).double().mean())

    went = loop(
        model.prior,
        data,
        record["fit"]["settings"],
        seed,
        lambda x, labels, done: rates(x, TorchNoise(), labels).mean(),
        bound,
        lambda: None,
    )
    return model, went
