"""All that is measured of a trained model on a data set, under one protocol."""

import msgspec
import torch
from torch import Tensor

from vaebench import records
from vaebench.contracts import Dataset, Group
from vaebench.errors import DivergedError, UsageError
from vaebench.evaluation import fid, likelihood
from vaebench.evaluation.attempts import Watcher, attempted, finite
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.histogram import histogram_bits_per_dim
from vaebench.evaluation.tightness import tightness
from vaebench.model import Vae
from vaebench.noise import ImageNoise, derived_seed
from vaebench.registry import Registry
from vaebench.settings import Scoring

SHOWN = 64
"""Images that are generated at least: those of a run's picture of samples."""


def settle(
    asked: Scoring, data: Dataset, groups: tuple[Group, ...], registry: Registry, device: torch.device
) -> Scoring:
    """A protocol with nothing left open, checked before anything is scored.

    K is that of the groups, the extractor the data's own, or ``off`` where none fits them. An extractor that
    fails, or whose weights are not at hand, is no error: FID will be missing, and say why.

    :raises UsageError: for an unknown extractor, or one that is not made for such images
    """
    samples = likelihood.default_samples(groups) if asked.samples is None else asked.samples
    name = asked.extractor or data.extractor or "off"
    if name != "off":
        made = registry.resolve("extractor", name)
        try:
            made(asked.extractor_weights, device)(data.test.images[:1], data.image.levels)
        except UsageError:
            raise
        except (Exception, SystemExit):  # scoring says why; until then there is nothing to score
            pass
    return msgspec.structs.replace(asked, samples=samples, extractor=name)


def seen_train_images(data: Dataset) -> Tensor:
    """The training split as a model sees it: drawn once, from a fixed seed, where each draw is fresh."""
    if data.draw is None:
        return data.train.images
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return data.draw(data.train.images)


@torch.inference_mode()
def generate(model: Vae, count: int, draws: Draws, temperature: float, label: int | None = None) -> Tensor:
    """``count`` images on the CPU, of one class where given; image i is the same whatever ``count`` and
    ``draws.rows`` are.

    :raises UsageError: for a class that the prior does not know
    """
    known = model.prior.classes
    if label is not None and label >= known:
        there = f"classes are 0 to {known - 1}" if known else "the prior of this run knows no classes"
        raise UsageError(f"class {label}: {there}")
    device = next(model.parameters()).device
    pieces = []
    for start in range(0, count, draws.rows):
        numbers = torch.arange(start, min(start + draws.rows, count), device=device)
        noise = ImageNoise(derived_seed(draws.seed, "generate"), numbers)
        labels = None if label is None else torch.full_like(numbers, label)
        pieces.append(model.sample(len(numbers), noise, temperature, labels).cpu())
    return torch.cat(pieces)


def score(
    model: Vae, data: Dataset, settings: Scoring, registry: Registry, watcher: Watcher
) -> tuple[records.Scores, Tensor | None]:
    """Likelihood of every test image, FID and KID, and the histogram baseline; and the images generated.

    Whatever fails beside the likelihood is missing, and why is told.

    Raises DivergedError where the likelihood is not finite.
    """
    device = next(model.parameters()).device
    assert settings.samples is not None
    draws = Draws(settings.noise_seed, settings.score_batch)
    test = data.test.images.to(device)
    what = f"scoring with K={settings.samples}"
    watcher.say(f"{what}: {len(test)} test images")
    likely = likelihood.score(
        model,
        test,
        settings.samples,
        draws,
        lambda done: watcher.count(what, done, len(test)),
    )
    if not finite(likely):
        raise DivergedError("the test bound is not finite")
    if settings.follow and any(group.codes is None for group in model.latent.groups):
        curve = attempted("curve over K", lambda: _followed(model, test, settings, draws, watcher), watcher)
        if isinstance(curve, records.Tightness) and finite(curve):
            likely = msgspec.structs.replace(likely, tightness=curve)
    train = seen_train_images(data)
    wanted = SHOWN if settings.extractor == "off" else max(SHOWN, settings.fid_images)
    watcher.say(f"generating {wanted} images")
    images = attempted(
        "generated images",
        lambda: generate(model, wanted, draws, settings.temperature),
        watcher,
    )
    scores = records.Scores(
        likelihood=likely,
        fid=_fid(images, train, data, settings, registry, device, watcher),
        histogram_bits_per_dim=histogram_bits_per_dim(train, data.test.images, data.image.levels),
    )
    return scores, None if isinstance(images, records.Missing) else images


def _followed(
    model: Vae, test: Tensor, settings: Scoring, draws: Draws, watcher: Watcher
) -> records.Tightness:
    count = min(settings.follow_images, len(test))
    what = f"following the bound to K={settings.follow}"
    watcher.say(f"{what}: {count} test images")
    return tightness(
        model,
        test,
        count,
        settings.follow,
        draws,
        lambda done: watcher.count(what, done, count),
    )


def _fid(
    images: Tensor | records.Missing,
    reference: Tensor,
    data: Dataset,
    settings: Scoring,
    registry: Registry,
    device: torch.device,
    watcher: Watcher,
) -> records.Fid | records.Missing:
    name = settings.extractor
    if name is None or name == "off":
        return records.Missing(why="no feature extractor was asked for, or none fits these data")
    if isinstance(images, records.Missing):
        return records.Missing(why=f"no images could be generated: {images.why}")
    generated = images[: settings.fid_images]

    def measured() -> records.Fid:
        found = fid.score(
            generated,
            reference,
            data.image.levels,
            registry.resolve("extractor", name)(settings.extractor_weights, device),
            extractor_name=name,
            reference_name="training split",
            temperature=settings.temperature,
        )
        if not finite(found):
            raise ValueError(f"FID {found.fid}, {found.fid_extrapolated}, KID {found.kid} ± {found.kid_se}")
        # a record that could not be read again would be lost
        return msgspec.convert(msgspec.to_builtins(found), records.Fid)

    return attempted("FID", measured, watcher)
