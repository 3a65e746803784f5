"""Laws of latent layers: their groups and what a walk through them visits, takes and penalises."""

from typing import Any

import torch
from torch import Tensor

from vaebench.contracts import Generate, Given, ImageShape, Infer, Term, Walk
from vaebench.distributions import DiagonalNormal, Distribution
from vaebench.model import Vae
from vaebench.noise import Noise
from vaebench.testing.law import Law, LawBroken, close, hold, same
from vaebench.testing.refusals import refuses
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, Subject, random_images, rows, shaken

CONTRACT = "vaebench/contracts.py, Latent"


def composed(
    subject: PartSubject, image: ImageShape, parameters: dict[str, Any], seed: int, shake: float = 0.1
) -> Vae:
    """Build a model around the layer, in eval mode, with noise added to the layer's weights."""
    model = subject.model(image, parameters, seed).eval()
    shaken(model.latent, seed, shake)
    return model


def inferred(model: Vae, image: ImageShape, seed: int, count: int = 3) -> Walk:
    """Infer the latents of random images."""
    return model.infer(random_images(image, count, seed), rows(count, seed=seed))


def walks_its_groups(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare the terms and features of walks with ``groups`` and ``out``."""
    model = composed(subject, image, parameters, seed)
    latent = model.latent
    for walk in (inferred(model, image, seed), latent.walk(None, Generate(), model.prior, rows(3), 3)):
        names = [t.group for t in walk.terms]
        hold(
            names == list(latent.groups),
            "the groups of a walk, against those that it declares",
            names,
            latent.groups,
        )
        above: tuple[Tensor, ...] = ()
        for term in walk.terms:
            due = (3, *term.group.shape)
            hold(term.z.shape == due, f"the shape of z of group {term.group.name}", tuple(term.z.shape), due)
            name = term.group.name
            hold(
                len(term.above) == len(above),
                f"group {name}: the number of latents in Term.above, against the groups before it",
                len(term.above),
                len(above),
            )
            for listed, z in zip(term.above, above, strict=True):
                same(listed, z, f"group {name}: a latent in Term.above differs from the latent of that group")
            above = (*above, term.z)
        hold(
            len(walk.features) == len(latent.out),
            "the number of feature maps",
            len(walk.features),
            len(latent.out),
        )
        for i, (features, level) in enumerate(zip(walk.features, latent.out, strict=True)):
            due = (3, *level)
            hold(features.shape == due, f"the shape of features {i}", tuple(features.shape), due)


def offers_match(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare the offered words with ``groups``."""
    model = composed(subject, image, parameters, seed)
    groups = model.latent.groups
    reals = [g.codes is None for g in groups]
    if "real" in subject.offers:
        hold(all(reals), "it offers real, but not every group is real-valued", reals, "all")
    if "codes" in subject.offers:
        hold(not any(reals), "it offers codes, but some group is real-valued", reals, "none")
    if "single" in subject.offers:
        hold(len(groups) == 1, "it offers single, but the number of groups differs", len(groups), "1")
    names = [g.name for g in groups]
    hold(len(set(names)) == len(names), "the names of its groups", names, "distinct names")


def replays(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Walk again with the inferred latents as given ones."""
    model = composed(subject, image, parameters, seed)
    first = inferred(model, image, seed)
    given = Given([t.z for t in first.terms])
    again = model.latent.walk(None, given, model.prior, rows(3, seed=seed + 1), 3)
    for a, b in zip(again.features, first.features, strict=True):
        close(a, b, "features of given latents, against those of the same latents when inferred", 1e-8, 1e-8)
    for replayed, term in zip(again.terms, first.terms, strict=True):
        same(
            replayed.z, term.z, f"group {term.group.name}: the latents of the walk differ from the given ones"
        )


def temperature(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare walks at the temperatures 1 and 0 with the prior."""
    model = composed(subject, image, parameters, seed)

    def walk(heat: float, noise: Noise) -> Walk:
        return model.latent.walk(None, Generate(heat), model.prior, noise, 3)

    plain = model.latent.walk(None, Generate(), model.prior, rows(3, seed=seed), 3)
    for a, b in zip(walk(1.0, rows(3, seed=seed)).terms, plain.terms, strict=True):
        close(
            a.z,
            b.z,
            f"group {a.group.name} at temperature 1, against a sample without temperature",
            1e-12,
            1e-12,
        )
    cold = [walk(0.0, rows(3, seed=s)) for s in (seed, seed + 1)]
    for a, b in zip(*(w.terms for w in cold), strict=True):
        if not isinstance(a.p, DiagonalNormal):
            return  # for other priors, the contract promises no mean
        close(a.z, b.z, f"group {a.group.name} at temperature 0, from two noises", 1e-12, 1e-12)
        close(a.z, a.p.location, f"group {a.group.name} at temperature 0, against the prior's mean", 0, 1e-12)


def posterior_of(term: Term) -> Distribution:
    """Return the posterior of an inferred term.

    :raises LawBroken: where the term has none
    """
    if term.q is None:
        raise LawBroken(f"group {term.group.name}: an inferred term has no posterior", None, "a distribution")
    return term.q


def evaluation_learns_nothing(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare the state before and after inference in eval mode."""
    model = composed(subject, image, parameters, seed)
    before = {n: t.clone() for n, t in model.latent.state_dict().items()}
    inferred(model, image, seed)
    model.latent.after_step()
    for name, value in model.latent.state_dict().items():
        same(value, before[name], f"inference in eval mode, then after_step, changed {name}")


def penalties_are_per_image(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare penalties of an image alone and in a batch."""
    model = composed(subject, image, parameters, seed)
    x = random_images(image, 3, seed)
    whole = model.infer(x, rows(3)).terms
    alone = model.infer(x[2:], rows(1, first=2)).terms
    for a, b in zip(whole, alone, strict=True):
        for name, value in a.penalties.items():
            shape = tuple(value.shape)
            hold(
                shape == (3,),
                f"the shape of penalty {name} of group {a.group.name}, for 3 images",
                shape,
                (3,),
            )
            close(
                b.penalties[name],
                value[2:],
                f"penalty {name} of image 2 alone, against image 2 among 3",
                1e-8,
                1e-8,
            )


def wrong_features(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Walk with one more channel of features."""
    model = composed(subject, image, parameters, seed)
    features = model.encoder(model.normalise(random_images(image, 2, seed)))
    wrong = tuple(torch.cat([f, f[:, :1]], 1) for f in features)
    given, due = set(), set()
    for f in features:
        size = f.shape[2] * f.shape[3]
        given |= {(f.shape[1] + 1,), ((f.shape[1] + 1) * size,)}
        due |= {(f.shape[1],), (f.shape[1] * size,)}
        # the layer that raises may see the features joined to a state
        for level in model.encoder.levels:
            given |= {(f.shape[1] + 1 + level.channels,)}
            due |= {(f.shape[1] + level.channels,)}
    refuses(lambda: model.latent.walk(wrong, Infer(), model.prior, rows(2), 2), given, due)


def lacks(word: str) -> Any:
    """Make the ``Law.unless`` of a law that only applies to components that offer ``word``."""

    def why(subject: Subject) -> str | None:
        return None if word in subject.target.offers else f"it does not offer {word!r}"

    return why


def no_groups(subject: Subject) -> str | None:
    """Skip layers without latents."""
    return "it has no groups of latents" if "nothing" in subject.target.offers else None


LATENTS = (
    Law(
        "a walk visits every group",
        "A walk returns one term per group, in order, with latents and features of the promised shapes.",
        CONTRACT + ".walk",
        walks_its_groups,
        models,
    ),
    Law(
        "offers match the groups",
        "Layers that offer real, codes or single have real groups, groups of codes, or one group.",
        CONTRACT + ".groups; Component.offers",
        offers_match,
        models,
        tries=8,
    ),
    Law(
        "given latents replay a walk",
        "Given latents have the same features as in the walk that inferred them.",
        "vaebench/terms.py, Given",
        replays,
        models,
        tries=10,
    ),
    Law(
        "a walk follows the temperature",
        "At temperature 1 a walk samples the prior; at 0 a normal prior gives its mean for any noise.",
        "vaebench/terms.py, Generate",
        temperature,
        models,
        tries=10,
    ),
    Law(
        "penalties are per image",
        "Each penalty of a group has one value per image, the same in any batch.",
        "vaebench/terms.py, Term.penalties",
        penalties_are_per_image,
        models,
        tries=6,
    ),
    Law(
        "evaluation learns nothing",
        "Inference in eval mode, then after_step, change no state.",
        "vaebench/contracts.py, Component.after_step",
        evaluation_learns_nothing,
        models,
        tries=6,
    ),
    Law(
        "wrong features are refused",
        "Features with another number of channels raise an error that names both numbers.",
        CONTRACT + ".walk",
        wrong_features,
        models,
        tries=5,
        unless=no_groups,
    ),
)
