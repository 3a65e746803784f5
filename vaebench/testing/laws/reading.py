"""Laws of what passes a latent layer: posteriors depend on the image, features on every latent."""

import torch
from torch import Tensor

from vaebench.contracts import Given, ImageShape
from vaebench.testing.law import Law, LawBroken, NotTriedError, hold
from vaebench.testing.laws.latents import CONTRACT, composed, inferred, lacks, no_groups, posterior_of
from vaebench.testing.strategies import models
from vaebench.testing.subject import PartSubject, random_images, rows


def latents_are_read(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Check every channel of real-valued groups, and every group of codes."""
    model = composed(subject, image, parameters, seed)
    inferred_z = [t.z.detach() for t in inferred(model, image, seed, 4).terms]

    def features(latents: list[Tensor]) -> tuple[Tensor, ...]:
        return model.latent.walk(None, Given(latents), model.prior, rows(4), 4).features

    plain = [f.detach() for f in features(inferred_z)]
    for g, group in enumerate(model.latent.groups):
        if group.codes is not None:
            others = [(inferred_z[g] + k) % group.codes for k in range(1, group.codes)]
            moved = any(
                not torch.equal(a, b)
                for z in others
                for a, b in zip(features([*inferred_z[:g], z, *inferred_z[g + 1 :]]), plain, strict=True)
            )
            hold(
                moved or not others,
                f"features that change with the codes of group {group.name}",
                "none",
                "some",
            )
            continue
        live = inferred_z[g].clone().requires_grad_()
        maps = features([*inferred_z[:g], live, *inferred_z[g + 1 :]])
        total = torch.stack([(f * torch.randn_like(f)).sum() for f in maps]).sum()
        if not total.requires_grad:
            raise LawBroken(f"features that depend on the latents of group {group.name}", "none", "some")
        (gradient,) = torch.autograd.grad(total, live)
        unread = (gradient == 0).flatten(2).all(2).all(0).nonzero().flatten().tolist()
        hold(not unread, f"latent channels of group {group.name} that no feature depends on", unread, "none")


def posteriors_see_the_image(subject: PartSubject, image: ImageShape, parameters: dict, seed: int) -> None:
    """Compare each posterior's density at the same latents between images."""
    model = composed(subject, image, parameters, seed)
    first = inferred(model, image, seed, 8)
    groups = [t.group for t in first.terms]
    if any(group.codes is not None for group in groups):
        raise NotTriedError("a few codes may be the same for all images")
    one = Given([t.z[:1].expand_as(t.z) for t in first.terms])
    features = model.encoder(model.normalise(random_images(image, 8, seed)))
    for term in model.latent.walk(features, one, model.prior, rows(8), 8).terms:
        densities = posterior_of(term).log_prob(term.z)
        apart = (densities - densities[0]).abs().max().item()
        hold(
            apart > 1e-12,
            f"group {term.group.name}: the largest difference of log q(z|x) at one z between 8 images",
            apart,
            "more than 0",
        )


READING = (
    Law(
        "every latent affects the features",
        "Every channel of every group of latents affects some feature that the decoder receives.",
        CONTRACT + ".walk",
        latents_are_read,
        models,
        tries=5,
        unless=no_groups,
    ),
    Law(
        "posteriors depend on the image",
        "Each group's posterior differs between images, given the same latents above.",
        CONTRACT + ".walk",
        posteriors_see_the_image,
        models,
        tries=4,
        unless=lacks("density"),
    ),
)
