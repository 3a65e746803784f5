"""Laws of every kind of component."""

import copy
import io

import torch
from torch import Tensor

from vaebench.composing.parameters import parameters_of
from vaebench.composing.slots import SLOTS
from vaebench.contracts import Component, ImageShape, Progress
from vaebench.model import Vae
from vaebench.noise import ImageNoise, TorchNoise
from vaebench.testing.law import Law, close, hold, same
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, random_images, rows

CONTRACT = "vaebench/contracts.py, Component"


def scores(model: Vae, x: Tensor, noise: ImageNoise, samples: int = 1) -> Tensor:
    """Compute log p(x,z) − log q(z|x), (K, B) nats per image."""
    return model(x, noise, samples).log_weights()


def train(model: Vae, image: ImageShape, steps: int, seed: int) -> dict[str, Tensor]:
    """Take a few small gradient steps; return the largest gradient of every parameter that has one.

    :raises LawBroken: where a loss is not finite
    """
    largest: dict[str, Tensor] = {}
    model.train()
    for step in range(1, steps + 1):
        x = random_images(image, 8, seed + step)
        torch.manual_seed(seed + step)  # as in training, a step depends on the seed and its number only
        loss, _ = model.loss(x, TorchNoise(), Progress(step, steps))
        model.zero_grad()
        loss.backward()
        hold(loss.isfinite(), f"the loss of step {step} is not finite", loss.item(), "a finite number")
        with torch.no_grad():
            for name, p in model.named_parameters():
                if p.grad is not None:
                    largest[name] = torch.maximum(largest.get(name, loss.new_zeros(())), p.grad.abs().max())
                    p.sub_(1e-3 * p.grad / (p.grad.square().mean().sqrt() + 1e-12))
        model.after_step()
    return largest


def is_documented(subject: PartSubject) -> None:
    """Check docstring, needs, suggests and parameter descriptions of the class."""
    part = subject.target
    hold(
        isinstance(part, type) and issubclass(part, Component),
        "the registered target",
        part,
        "a vaebench.contracts.Component",
    )
    hold(
        (part.__doc__ or "").strip(),
        f"the docstring of {part.__name__}",
        "none",
        "a sentence that describes it",
    )
    for slot, words in part.needs.items():
        hold(slot in (*SLOTS, "data"), "its needs name an unknown slot", slot, ", ".join(SLOTS))
        hold(isinstance(words, frozenset), f"needs[{slot!r}]", repr(words), "a frozenset of words")
    for slot in part.suggests:
        hold(slot in SLOTS, "its suggests name an unknown slot", slot, ", ".join(SLOTS))
    for parameter in parameters_of(part).values():
        hold(
            parameter.meaning,
            f"parameter {parameter.name} has no description in its msgspec.Meta",
            "none",
            "a noun phrase; vaebench show prints it",
        )


def survives_save_and_load(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare a model with one that loads its saved state."""
    model = subject.model(image, parameters, seed)
    train(model, image, 1, seed)
    file = io.BytesIO()
    torch.save(model.state_dict(), file)
    file.seek(0)
    other = subject.model(image, parameters, seed + 1)
    other.load_state_dict(torch.load(file, weights_only=True))
    model.eval()
    other.eval()
    x = random_images(image, 3, seed)
    for name, run in {
        "log weight": lambda m: scores(m, x, rows(3)),
        "sample": lambda m: m.sample(2, rows(2)),
    }.items():
        same(run(other), run(model), f"a {name} of a model that loaded the saved state differs")


def is_deterministic(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Build, train, score and sample twice from one seed."""
    one, two = (subject.model(image, parameters, seed) for _ in range(2))
    states = (one.state_dict(), two.state_dict())
    for name, value in states[0].items():
        same(states[1][name], value, f"two models built from one seed differ in {name}")
    for model in (one, two):
        train(model, image, 1, seed)
        model.eval()
    x = random_images(image, 3, seed)
    first, again, other = [scores(model, x, rows(3)) for model in (one, one, two)]
    same(again, first, "an image's log weight differs when it is scored twice with the same noise")
    same(other, first, "an image's log weight differs after two trainings from one seed")
    drawn = [one.sample(2, rows(2)) for _ in range(2)]
    same(drawn[1], drawn[0], "a pixel value differs when an image is sampled twice from the same noise")


def precisions_agree(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare log weights in float32 and float64."""
    model = subject.model(image, parameters, seed).eval()
    x = random_images(image, 3, seed)
    double = scores(model, x, rows(3))
    single = scores(copy.deepcopy(model).float(), x, rows(3))
    close(single, double, "an image's log weight in float32, against float64", 2e-3, 2e-2)


def evaluation_leaves_no_trace(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare parameters, buffers and the generator before and after evaluation."""
    model = subject.model(image, parameters, seed)
    train(model, image, 1, seed)
    model.eval()
    x = random_images(image, 3, seed)

    def everything() -> dict[str, Tensor]:
        return {n: t.detach().clone() for n, t in (*model.named_parameters(), *model.named_buffers())}

    before, generator = everything(), torch.get_rng_state()
    with torch.no_grad():
        scores(model, x, rows(3, 2), 2)
        model.sample(2, rows(2))
        model.reconstruct(x, rows(3))
    for name, value in everything().items():
        same(value, before[name], f"evaluation changed {name}")
    hold(
        torch.equal(torch.get_rng_state(), generator),
        "evaluation drew from torch's global generator",
        "another state",
        "an unchanged state: every draw must use the noise argument",
    )


def images_are_scored_alone(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare scores and samples of images alone and in a batch."""
    model = subject.model(image, parameters, seed)
    train(model, image, 1, seed)
    model.eval()
    x = random_images(image, 5, seed)
    whole = scores(model, x, rows(5))
    alone = torch.cat([scores(model, x[i : i + 1], rows(1, first=i)) for i in range(5)], 1)
    close(alone, whole, "an image's log weight at batch 1, against a batch of 5", 1e-8, 1e-8)
    drawn = model.sample(3, rows(3))
    last = model.sample(1, rows(1, first=2))
    same(last, drawn[2:], "image 2 sampled alone differs from image 2 sampled among 3")


def samples_do_not_mix(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare each of four samples with the same sample alone."""
    model = subject.model(image, parameters, seed).eval()
    x = random_images(image, 3, seed)
    many = scores(model, x, rows(3, 4), 4)
    for k in range(4):
        noise = ImageNoise(0, torch.arange(3), torch.full((3,), k))
        close(
            many[k],
            scores(model, x, noise)[0],
            f"the log weight of sample {k} among 4, against sample {k} alone",
            1e-8,
            1e-8,
        )


def terms_are_per_image(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Check shapes and ranges of terms, samples and reconstructions."""
    model = subject.model(image, parameters, seed).eval()
    scored = model(random_images(image, 3, seed), rows(3, 2), 2)
    groups = len(model.latent.groups)
    hold(
        scored.distortion.shape == (2, 3),
        "the shape of the distortions of 3 images, 2 samples each",
        tuple(scored.distortion.shape),
        (2, 3),
    )
    hold(
        scored.kl().shape == (groups, 2, 3),
        "the shape of the rates of the groups",
        tuple(scored.kl().shape),
        (groups, 2, 3),
    )
    weights = scored.log_weights()
    hold(weights.isfinite().all(), "a log weight is not finite", weights, "finite nats per image")
    close(-scored.elbo(), (scored.distortion + scored.kl().sum(0)).mean(0), "−ELBO is distortion plus rates")
    drawn = model.sample(2, rows(2))
    shape = (2, image.channels, image.height, image.width)
    hold(
        drawn.shape == shape and drawn.dtype == torch.int64,
        "shape and dtype of 2 samples",
        (tuple(drawn.shape), drawn.dtype),
        (shape, torch.int64),
    )
    inside = drawn.min() >= 0 and drawn.max() < image.levels
    ends = (drawn.min().item(), drawn.max().item())
    hold(inside, "the smallest and largest value of a sample lie outside 0 .. levels-1", ends, _range(image))
    mean = model.reconstruct(random_images(image, 2, seed), rows(2))
    hold(mean.shape == shape, "a reconstruction's shape", tuple(mean.shape), shape)
    inside = mean.min() >= -1e-6 and mean.max() <= image.levels - 1 + 1e-6
    ends = (mean.min().item(), mean.max().item())
    hold(
        inside,
        "the smallest and largest value of a reconstruction lie outside 0 .. levels-1",
        ends,
        _range(image),
    )


def _range(image: ImageShape) -> str:
    return f"within 0 .. {image.levels - 1}"


EVERY = (
    Law(
        "the component is documented",
        "It has a docstring, its needs and suggests name slots, and its parameters have descriptions.",
        CONTRACT,
        is_documented,
    ),
    Law(
        "terms are per image",
        "Distortion, rates, weights, samples and reconstructions have the promised shapes and are finite.",
        "vaebench/terms.py, Scored",
        terms_are_per_image,
        models,
    ),
    Law(
        "state survives saving and loading",
        "A model that loads a saved state gives the same scores and samples, bit for bit.",
        CONTRACT,
        survives_save_and_load,
        models,
        tries=6,
    ),
    Law(
        "the same seed gives the same results",
        "Models built and trained from one seed give the same scores and samples, bit for bit.",
        "vaebench/noise.py",
        is_deterministic,
        models,
        tries=6,
    ),
    Law(
        "float32 agrees with float64",
        "Scores in float32 equal those in float64 up to rounding.",
        "vaebench/contracts.py, Output.parameters_of",
        precisions_agree,
        models,
        tries=10,
    ),
    Law(
        "evaluation changes no state",
        "Scoring, sampling and reconstruction in eval mode change no parameter, buffer or global generator.",
        "vaebench/contracts.py, Component.after_step; vaebench/noise.py",
        evaluation_leaves_no_trace,
        models,
        tries=6,
    ),
    Law(
        "images are scored alone",
        "In eval mode an image's score and sample do not depend on its batch, and a batch of 1 works.",
        "vaebench/noise.py, ImageNoise",
        images_are_scored_alone,
        models,
        tries=8,
    ),
    Law(
        "samples do not mix",
        "Sample k of an image has the same weight alone and among K samples.",
        "vaebench/terms.py, Scored",
        samples_do_not_mix,
        models,
        tries=6,
    ),
)
