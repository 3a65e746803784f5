"""Paths through latent space: their ends are reconstructions, and what does not move stays."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from vaebench.contracts import Given
from vaebench.errors import UsageError
from vaebench.evaluation.draws import Draws
from vaebench.model import Vae
from vaebench.noise import ImageNoise, Noise
from vaebench.pictures import paths
from vaebench.pictures.latents import numbered, prior_units
from vaebench.priors.normal import Normal

from ..test_contracts import IMAGE
from .test_pictures import data, pixels, small, tell_apart

WITH_MEANS = [
    "vectors",
    "a hierarchy",
    "a prior of posteriors over a hierarchy",
    "codes with a prior",
    "codes on two levels",
]


class Centred(Noise):
    """No noise: a draw of a normal is its mean."""

    def normal(self, like: Tensor) -> Tensor:
        return torch.zeros_like(like)

    def uniform(self, like: Tensor) -> Tensor:
        return torch.full_like(like, 0.5)


def model_of(row: str, seed: int = 0) -> Vae:
    torch.manual_seed(seed)
    model = small(row)
    for parameter in model.parameters():  # a fresh hierarchy's prior ignores what is above it
        nn.init.normal_(parameter, std=0.2)
    tell_apart(model)
    return model


def everything(model: Vae) -> set[int]:
    return set(range(len(model.latent.groups)))


def ends(count: int = 2, seed: int = 5) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 17, (count, 1, 8, 8), generator=generator).to(torch.uint8)


def decoded(model: Vae, latents: list[Tensor]) -> Tensor:
    walk = model.latent.walk(None, Given(latents), model.prior, Centred(), len(latents[0]))
    return model.decoder.mean(walk.features, model.output, Centred())


def inferred(model: Vae, x: Tensor) -> list[Tensor]:
    return [term.z for term in model.infer(x, Centred()).terms]


@pytest.mark.parametrize("row", WITH_MEANS)
@given(st.integers(2, 7), st.integers(1, 9), st.integers(0, 1000))
@settings(max_examples=5)
def test_a_path_starts_and_ends_at_the_reconstructions(row: str, steps: int, rows: int, seed: int) -> None:
    model, pair = model_of(row, seed), ends(seed=seed)
    path = paths.morph(model, pair, steps, Draws(rows=rows), moving=everything(model))
    assert path.shape == (steps, *pair.shape[1:])
    wanted = model.reconstruct(pair, Centred())
    assert torch.allclose(path[[0, -1]], wanted, rtol=1e-9, atol=1e-9)
    if not any(group.codes for group in model.latent.groups):  # two images may have the same codes
        assert not torch.allclose(wanted[0], wanted[1])


@pytest.mark.parametrize("row", ["vectors", "a hierarchy"])
def test_reals_are_interpolated_in_every_group(row: str) -> None:
    model, pair = model_of(row), ends()
    path = paths.morph(model, pair, 5, Draws(), moving=everything(model))
    share = torch.linspace(0, 1, 5).double()
    latents = [z[0] + share.view(-1, *[1] * (z.dim() - 1)) * (z[1] - z[0]) for z in inferred(model, pair)]
    assert torch.allclose(path, decoded(model, latents), rtol=1e-9)


def test_codes_are_interpolated_before_quantisation() -> None:
    """The projection to code vectors is affine: the codes are the nearest to interpolated vectors."""
    model, pair = model_of("codes with a prior"), ends()
    path = paths.morph(model, pair, 9, Draws(), moving={0})
    quantiser = model.latent.quantiser
    a, b = quantiser.project(model.encoder(model.normalise(pair))[-1])
    e = torch.stack([a + share * (b - a) for share in torch.linspace(0, 1, 9).tolist()])
    distance = (e[:, None] - quantiser.codebook[None, :, :, None, None]).square().sum(2)
    assert torch.allclose(path, decoded(model, [distance.argmin(1)]), rtol=1e-6)


@pytest.mark.parametrize("row", ["a hierarchy", "codes on two levels"])
@pytest.mark.parametrize("group", [0, 1])
def test_groups_that_do_not_move_keep_the_first_images_latents(row: str, group: int) -> None:
    model, pair = model_of(row), ends()
    path = paths.morph(model, pair, 4, Draws(), moving={group})
    first, second = inferred(model, pair[:1]), inferred(model, pair[1:])
    if model.latent.groups[group].codes is not None and group:
        # what the lower level reads of image B, under the upper codes of image A
        top = model.latent.top.look_up(first[0])
        up = nn.functional.interpolate(top, size=model.latent.size)
        read = torch.cat([model.encoder(model.normalise(pair[1:]))[-2], up], 1)
        second[group] = model.latent.bottom.quantise(read)[1]
    assert torch.allclose(path[:1], decoded(model, first), rtol=1e-9)
    mixed = [second[g] if g == group else z for g, z in enumerate(first)]
    assert torch.allclose(path[-1:], decoded(model, mixed), rtol=1e-9)


@pytest.mark.parametrize("group", [0, 1])
def test_a_zeroed_group_has_no_direct_say(group: int) -> None:
    model, pair = model_of("codes on two levels"), ends()
    zeroed = paths.morph(model, pair, 6, Draws(), moving={group}, zero={group})
    assert not torch.allclose(zeroed, paths.morph(model, pair, 6, Draws(), moving={group}))
    assert torch.allclose(zeroed, zeroed[:1].expand_as(zeroed), rtol=1e-9)


def test_what_cannot_be_zeroed_is_said() -> None:
    with pytest.raises(UsageError, match=r"^this model cannot leave out a group: Gaussian does not separate"):
        paths.morph(model_of("vectors"), ends(), 3, Draws(), moving={0}, zero={0})


def test_all_steps_share_their_noise() -> None:
    """Between an image and itself an autoregressive decoder draws the same image again and again."""
    model, pair = model_of("an autoregressive decoder"), ends()
    still = paths.morph(model, pair[[0, 0]], 6, Draws(rows=4), moving={0})
    assert torch.equal(still, still[:1].expand_as(still))
    other = paths.morph(model, pair[[0, 0]], 6, Draws(), moving={0}, number=1)
    assert not torch.equal(still, other)


@pytest.mark.parametrize("row", ["vectors", "a hierarchy"])
@given(st.data())
@settings(max_examples=5)
def test_a_dimension_at_its_mean_is_the_reconstruction(row: str, given: st.DataObject) -> None:
    model, one = model_of(row), ends(1)
    group = given.draw(st.sampled_from(sorted(everything(model))))
    z = inferred(model, one)
    place = given.draw(st.integers(0, z[group].numel() - 1))
    mean, std = prior_units(model, z[:group], group, Draws(rows=100))
    value = (z[group].flatten()[place] - mean.flatten()[place]) / std.flatten()[place]
    values = torch.stack([value - 1, value, value + 1])
    found = paths.traverse(model, one, group, [place], values, Draws(rows=given.draw(st.integers(1, 4))))
    assert found.shape == (1, 3, 1, 8, 8)
    assert torch.allclose(found[0, 1], model.reconstruct(one, Centred())[0], rtol=1e-8)
    moved = z[group].flatten()  # a copy, where latents are channels-last
    moved[place] += std.flatten()[place]
    z[group] = moved.reshape(z[group].shape)
    assert torch.allclose(found[0, 2], decoded(model, z)[0], rtol=1e-8)


def test_units_are_the_priors_own() -> None:
    model = model_of("vectors")
    mean, std = prior_units(model, [], 0, Draws(rows=100))
    assert torch.equal(mean, torch.zeros_like(mean))
    assert torch.equal(std, torch.ones_like(std))
    model.prior = Normal(model.latent.groups, IMAGE, learned=True).double()
    for parameter in model.prior.parameters():
        nn.init.normal_(parameter)
    own = model.sample(1, ImageNoise(0, torch.zeros(1, dtype=torch.long)))
    assert own.shape == (1, 1, 8, 8)
    mean, std = prior_units(model, [], 0, Draws(rows=100))
    assert not torch.equal(std, torch.ones_like(std))


def test_units_of_a_prior_without_moments_are_those_of_its_draws() -> None:
    """z ~ N(sζ, 1), ζ ~ N(0, 1): mean 0, standard deviation √(1 + s²), here to six standard errors."""
    model = model_of("a prior whose density is estimated")
    nn.init.constant_(model.prior.scale, 2.0)
    mean, std = prior_units(model, [], 0, Draws(rows=300))
    assert mean.abs().max() < 6 * math.sqrt(5 / 1000)
    assert (std - math.sqrt(5)).abs().max() < 6 * math.sqrt(5 / 2000)
    again = prior_units(model, [], 0, Draws(rows=1000))
    assert torch.allclose(again[1], std, rtol=1e-10)


def test_grids_hold_every_row_and_are_repeatable(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[Tensor, list[str], list[str]]] = []
    draw = paths.labelled_png

    def spy(images: Tensor, levels: int, across: list[str], down: list[str], title: str) -> bytes:
        shown.append((images, across, down))
        return draw(images, levels, across, down, title)

    monkeypatch.setattr(paths, "labelled_png", spy)
    model, random = model_of("vectors"), data()
    png = paths.morph_png(model, random, 3, 4, {0}, (), Draws(7, 2))
    assert png == paths.morph_png(model, random, 3, 4, {0}, (), Draws(7, 2))
    images, across, down = shown[0]
    assert len(images) == 3 * 6 == len(across) * len(down)
    for row, label in zip(images.split(6), down, strict=True):
        a, b = map(int, label.split(" to "))
        assert torch.equal(row[[0, 5]], random.test.images[[a, b]].double())
    paths.traverse_png(model, random, 2, 0, 5, 3, Draws(rows=4))
    images, across, down = shown[-1]
    assert len(images) == 5 * 4 == len(across) * len(down)
    means = torch.cat([t.z for t in model.infer(random.test.images, Centred()).terms]).flatten(1)
    order = means.var(0).argsort(descending=True)[:5].tolist()
    assert [int(label.split()[0]) for label in down] == order
    assert pixels(png).shape[2] == 3


@pytest.mark.parametrize(
    ("row", "given", "said"),
    [
        ("codes with a prior", {}, "group codes holds codes"),
        ("vectors", {"image": 30}, "no test image 30; the last is 29"),
        ("vectors", {"dimensions": 33}, "group z has 32 dimensions, fewer than 33 rows"),
    ],
)
def test_traversals_that_cannot_be_are_refused(row: str, given: dict[str, int], said: str) -> None:
    asked = {"image": 0, "dimensions": 3, **given}
    with pytest.raises(UsageError, match=said):
        paths.traverse_png(model_of(row), data(), group=0, steps=3, draws=Draws(rows=9), **asked)


def test_groups_go_by_name() -> None:
    groups = model_of("codes on two levels").latent.groups
    assert [numbered(groups, name) for name in (None, "top", "bottom")] == [0, 0, 1]
    with pytest.raises(UsageError, match=r"no group botom; groups are top, bottom \(did you mean bottom\?\)"):
        numbered(groups, "botom")
    with pytest.raises(UsageError, match="has no latents"):
        numbered((), None)
    with pytest.raises(UsageError, match="at least two test images"):
        paths.morph_png(model_of("vectors"), data(count=1), 1, 2, {0}, (), Draws(rows=9))
