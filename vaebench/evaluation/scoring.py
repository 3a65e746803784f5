"""Score a trained model on a data set under one protocol."""

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
"""The fewest images that are generated, those of a run's picture of samples."""


def settle(
    settings: Scoring, data: Dataset, groups: tuple[Group, ...], registry: Registry, device: torch.device
) -> Scoring:
    """Fill in the settings of a protocol that were left open, and check it before anything is scored.

    By default K follows from the groups, and the extractor is that of the data, ``off`` if they have none. An
    extractor that fails, or whose weights are missing, is no error: FID will be missing, with a reason.

    :raises UsageError: for an unknown extractor, or one that does not fit these images
    """
    samples = likelihood.default_samples(groups) if settings.samples is None else settings.samples
    name = settings.extractor or data.extractor or "off"
    if name != "off":
        made = registry.resolve("extractor", name)
        try:
            made(settings.extractor_weights, device)(data.test.images[:1], data.image.levels)
        except UsageError:
            raise
        except (Exception, SystemExit):  # scoring will record the reason
            pass
    return msgspec.structs.replace(settings, samples=samples, extractor=name)


def seen_train_images(data: Dataset) -> Tensor:
    """The training images as a model sees them; random binarisation is drawn once, from a fixed seed."""
    if data.draw is None:
        return data.train.images
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return data.draw(data.train.images)


@torch.inference_mode()
def generate(model: Vae, count: int, draws: Draws, temperature: float, label: int | None = None) -> Tensor:
    """Draw ``count`` images (N, C, H, W) from the model, on the CPU.

    Image i does not depend on ``count`` or ``draws.rows``.

    :param label: the class of all images, for priors with classes
    :raises UsageError: for a class that the prior does not have
    """
    classes = model.prior.classes
    if label is not None and label >= classes:
        expected = f"classes are 0 to {classes - 1}" if classes else "the prior of this run has no classes"
        raise UsageError(f"class {label}: {expected}")
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
    """Measure likelihood, FID, KID and the histogram baseline; return the generated images too.

    If anything but the likelihood fails, it is missing from the scores, with the reason.

    :raises DivergedError: if the likelihood is not finite
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
        raise DivergedError("the bound on the test images is not finite")
    if settings.follow and any(group.codes is None for group in model.latent.groups):
        curve = attempted("curve over K", lambda: _followed(model, test, settings, draws, watcher), watcher)
        if isinstance(curve, records.Tightness) and finite(curve):
            likely = msgspec.structs.replace(likely, tightness=curve)
    train = seen_train_images(data)
    count = SHOWN if settings.extractor == "off" else max(SHOWN, settings.fid_images)
    watcher.say(f"generating {count} images")
    images = attempted(
        "generated images",
        lambda: generate(model, count, draws, settings.temperature),
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
        return records.Missing(why="no feature extractor was chosen, or none fits these data")
    if isinstance(images, records.Missing):
        return records.Missing(why=f"no images could be generated: {images.why}")
    generated = images[: settings.fid_images]

    def measured() -> records.Fid:
        result = fid.score(
            generated,
            reference,
            data.image.levels,
            registry.resolve("extractor", name)(settings.extractor_weights, device),
            extractor_name=name,
            reference_name="training split",
            temperature=settings.temperature,
        )
        if not finite(result):
            raise ValueError(
                f"not finite: FID {result.fid}, extrapolated {result.fid_extrapolated}, "
                f"KID {result.kid} ± {result.kid_se}"
            )
        # checked now, since an invalid record could not be read again
        return msgspec.convert(msgspec.to_builtins(result), records.Fid)

    return attempted("FID", measured, watcher)
