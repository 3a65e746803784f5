"""Laws of decoders, autoregressive or not: the parameters that they give the likelihood."""

from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.testing import strategies
from vaebench.testing.law import Law, NotTriedError, close, hold
from vaebench.testing.refusals import refuses
from vaebench.testing.statistics import agree
from vaebench.testing.subject import PartSubject, Subject, every_image, random_images, rows, shaken

CONTRACT = "vaebench/contracts.py, Decoder"
DRAWS = 4000


def composed(
    subject: PartSubject, image: ImageShape, parameters: dict[str, Any], seed: int, lik: str
) -> tuple[Vae, tuple[Tensor, ...]]:
    """Build a model with this likelihood and noise in its weights, and the latent features of one image."""
    model = subject.model(image, parameters, seed, lik=lik).eval()
    shaken(model.decoder, seed)
    shaken(model.output, seed)
    with torch.no_grad():
        features = model.infer(random_images(image, 1, seed), rows(1, seed=seed)).features
    return model, features


def spread(features: tuple[Tensor, ...], batch: int) -> tuple[Tensor, ...]:
    """Repeat the features of one image for a batch."""
    return tuple(f.expand(batch, *f.shape[1:]) for f in features)


def with_likelihood(
    subject: Subject, shapes: st.SearchStrategy[ImageShape]
) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of image shape, parameters, seed, and a likelihood that fits the decoder and the image."""
    assert isinstance(subject, PartSubject)

    def fitting_examples(image: ImageShape) -> st.SearchStrategy[dict[str, Any]]:
        names = subject.neighbours.names("likelihood")
        fitting = [name for name in names if subject.around(image, lik=name) is not None]
        if not fitting:
            return st.nothing()
        return st.fixed_dictionaries(
            {
                "image": st.just(image),
                "lik": st.sampled_from(fitting),
                "parameters": strategies.parameters(subject.target),
                "seed": strategies.seeds,
            }
        )

    return shapes.flatmap(fitting_examples)


def of_images(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples with sides up to 6 pixels."""
    assert isinstance(subject, PartSubject)
    return with_likelihood(subject, strategies.images(subject, largest=6))


def of_tiny_images(subject: Subject) -> st.SearchStrategy[dict[str, Any]]:
    """Examples of which all images can be listed."""
    assert isinstance(subject, PartSubject)
    return with_likelihood(subject, strategies.tiny_images(subject))


def parameters_have_their_shape(
    subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int
) -> None:
    """Check shape, dtype and finiteness of the likelihood's parameters in both modes."""
    model, features = composed(subject, image, parameters, seed, lik)
    x = random_images(image, 3, seed)
    due = (3, model.output.likelihood.channels, image.height, image.width)
    for mode in (True, False):
        model.train(mode)
        params = model.output.parameters_of(model.decoder(spread(features, 3), x))
        hold(params.shape == due, "the shape of the likelihood's parameters", tuple(params.shape), due)
        hold(params.isfinite().all(), "a likelihood parameter is not finite", params, "finite numbers")
        dtype = "the dtype of the likelihood's parameters for float64 features"
        hold(params.dtype == torch.float64, dtype, params.dtype, torch.float64)


def joint_sums_to_one(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Sum p(x|z) over all tiny images, and compare samples and means with it."""
    model, features = composed(subject, image, parameters, seed, lik)
    every = every_image(image)
    with torch.no_grad():
        log_p = model.output.log_prob(model.decoder(spread(features, len(every)), every), every)
        total = log_p.logsumexp(0).exp()
        close(total, 1.0, f"given z, the probabilities of all {len(every)} images sum to")
        x = model.decoder.sample(spread(features, DRAWS), model.output, TorchNoise())
        likelihood = model.output.likelihood
        apart = image.channels == 1 or likelihood.by_colour
        if apart and "autoregressive" not in subject.offers:
            mean = model.decoder.mean(features, model.output, TorchNoise())
            due = torch.einsum("n,nchw->chw", log_p.exp(), every.double())[None]
            close(
                mean,
                due,
                "the decoder's mean of a pixel value, against Σ x p(x|z) over all images",
                1e-6,
                1e-6,
            )
    weights = image.levels ** torch.arange(image.dims - 1, -1, -1)
    counts = torch.bincount((x.flatten(1) * weights).sum(1), minlength=len(every))
    agree(counts, log_p.exp(), "χ² of 4,000 samples given z, against the probabilities")


def latents_are_seen(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Check that every channel of the finest features has a gradient."""
    model, features = composed(subject, image, parameters, seed, lik)
    if not features or features[0].shape[1] == 0:
        raise NotTriedError("the model has no latents")
    live = tuple(f.clone().requires_grad_() for f in spread(features, 3))
    with torch.no_grad():
        for f in live:
            f.add_(torch.randn_like(f))
    params = model.output.parameters_of(model.decoder(live, random_images(image, 3, seed)))
    gradient = torch.autograd.grad((params * torch.randn_like(params)).sum(), live[0])[0]
    unseen = (gradient == 0).flatten(2).all(2).all(0).nonzero().flatten().tolist()
    hold(
        not unseen, "channels of the latent features that no likelihood parameter depends on", unseen, "none"
    )


def wrong_features(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Call the decoder with one more channel of features."""
    model, features = composed(subject, image, parameters, seed, lik)
    f = features[0]
    wrong = (torch.cat([f, f[:, :1]], 1), *features[1:])
    size = f.shape[2] * f.shape[3]
    given = {(f.shape[1] + 1,), ((f.shape[1] + 1) * size,)}
    due = {(f.shape[1],), (f.shape[1] * size,)}
    refuses(lambda: model.decoder(wrong, random_images(image, 1, seed)), given, due)


def image_is_not_read(subject: PartSubject, image: ImageShape, lik: str, parameters: dict, seed: int) -> None:
    """Compare the maps with an image and without one."""
    model, features = composed(subject, image, parameters, seed, lik)
    three = spread(features, 3)
    blind = model.decoder(three, None)
    seen = model.decoder(three, random_images(image, 3, seed))
    close(seen, blind, "the decoder's map with an image, against the map without one", 1e-12, 1e-12)


def _reads(subject: Subject) -> str | None:
    return (
        "it is autoregressive, so it reads the image" if "autoregressive" in subject.target.offers else None
    )


DECODERS = (
    Law(
        "parameters for every pixel",
        "The head's output is (B, likelihood.channels, H, W), finite, and has the dtype of the features.",
        CONTRACT + ".forward and .head; Output",
        parameters_have_their_shape,
        of_images,
        tries=20,
    ),
    Law(
        "p(x|z) sums to one",
        "Given z, the probabilities of all tiny images sum to one, and samples follow them (χ²).",
        CONTRACT + ".sample",
        joint_sums_to_one,
        of_tiny_images,
        tries=12,
    ),
    Law(
        "every latent affects the output",
        "Every channel of the finest latent features affects some likelihood parameter.",
        CONTRACT + ".forward",
        latents_are_seen,
        of_images,
        tries=10,
    ),
    Law(
        "the decoder ignores the image",
        "A decoder that is not autoregressive gives the same map with any image and without one.",
        CONTRACT + ".forward",
        image_is_not_read,
        of_images,
        tries=8,
        unless=_reads,
    ),
    Law(
        "wrong features are refused",
        "Features with another number of channels raise an error that names both numbers.",
        CONTRACT + ".forward",
        wrong_features,
        of_images,
        tries=5,
    ),
)
