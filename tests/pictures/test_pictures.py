"""Grids and charts: every image asked for is there, and what a chart shows is what was counted."""

import io
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.spatial.distance import pdist
from scipy.stats import entropy
from torch import Tensor

from vaebench.composing.parameters import parameters_of
from vaebench.contracts import Dataset, Group, Split
from vaebench.errors import UsageError
from vaebench.evaluation.codes import CodeUse
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.subset import evenly_spaced
from vaebench.likelihoods.logistic import Logistic
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.objectives.elbo import Elbo
from vaebench.pictures import charts, grid, of_run

from ..fakes.codes import Quantiser
from ..test_contracts import IMAGE, ROWS

SMALL = {"width": 8, "hidden": 8, "z_channels": 2}


def small(row: str) -> Vae:
    """The model of a row of test_contracts, turned down so that a test is quick, in float64."""

    def made(part: type, *given: object) -> Any:
        known = {name: value for name, value in SMALL.items() if name in parameters_of(part)}
        return part(*given, **known)

    encoder_type, latent_type, prior_type, decoder_type = ROWS[row]
    encoder = made(encoder_type, IMAGE)
    latent = made(latent_type, encoder.levels, IMAGE)
    prior, decoder = made(prior_type, latent.groups, IMAGE), made(decoder_type, latent.out, IMAGE)
    model = Vae(IMAGE, encoder, latent, prior, decoder, Logistic(IMAGE), Elbo(latent.groups, IMAGE))
    tell_apart(model.double().eval().requires_grad_(False))
    return model


def tell_apart(model: Vae) -> None:
    """Put every code of a model where some image is encoded: fresh codes would all lie to one side."""
    for quantiser in [module for module in model.modules() if isinstance(module, Quantiser)]:
        seen: list[Tensor] = []
        hook = quantiser.project.register_forward_hook(lambda module, given, out, seen=seen: seen.append(out))
        model.infer(data().train.images, TorchNoise())
        hook.remove()
        e = seen[0].movedim(1, -1).flatten(0, -2)
        quantiser.codebook.copy_(e[torch.randperm(len(e))[: len(quantiser.codebook)]])


def data(labels: Tensor | None = None, count: int = 30) -> Dataset:
    """Random images of the shape that the models of test_contracts take, as every split."""
    x = torch.randint(0, 17, (count, 1, 8, 8), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    split = Split(x, labels)
    return Dataset("random", IMAGE, split, split, split, "0" * 64)


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


def flat(values: list[int]) -> Tensor:
    """An image of one grey per value, 8x8 pixels, 256 levels."""
    return torch.tensor(values, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 8, 8)


@given(st.integers(1, 40))
def test_every_reconstruction_is_shown_under_its_image(count: int) -> None:
    images, means = list(range(count)), list(range(100, 100 + count))
    png = grid.reconstructions_png(flat(images), flat(means).double(), 256)
    shown = pixels(png)[25::50, 25::50, 0]  # tiles of 48 and a border of 1
    columns = min(12, count)
    assert shown.shape == (2 * math.ceil(count / columns), columns)
    for number in range(count):
        row, column = divmod(number, columns)
        assert shown[2 * row, column] == images[number]
        assert shown[2 * row + 1, column] == means[number]


@given(st.integers(1, 60), st.integers(1, 60))
def test_spread_reaches_both_ends_without_repeats(total: int, count: int) -> None:
    numbers = evenly_spaced(total, count).tolist()
    assert len(set(numbers)) == len(numbers) == min(total, count)
    assert numbers[0] == 0
    assert count == 1 or numbers[-1] == total - 1


@given(st.integers(1, 12), st.integers(1, 9), st.integers(0, 60))
@settings(max_examples=5)
def test_a_labelled_grid_shows_every_image_whole(columns: int, rows: int, width: int) -> None:
    values = [2 * i for i in range(columns * rows)]
    png = grid.labelled_png(
        flat(values), 256, ["a" * (width % 7)] * columns, ["x" * (width // 4)] * rows, "title " * width
    )
    shown = pixels(png)
    for value in values[1:]:  # text is black, and grey at its edges
        assert (shown == value).all(2).sum() >= 46 * 46


def test_reconstructions_are_drawn_a_few_rows_at_a_time() -> None:
    model = small("vectors")
    seen: list[int] = []
    model.encoder.register_forward_hook(lambda module, given, out: seen.append(len(given[0])))
    _, few = of_run.reconstructed(model, data(), Draws(rows=7), count=20)
    assert seen == [7, 7, 6]
    _, whole = of_run.reconstructed(model, data(), Draws(rows=100), count=20)
    assert torch.allclose(few, whole, rtol=1e-10)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.integers(10, 20))
def test_perplexity_is_exp_of_the_entropy_of_use(codes: list[int], k: int) -> None:
    use = CodeUse(k)
    for part in torch.tensor(codes).split(7):
        use.add(part[None])
    counts = np.bincount(codes, minlength=k)
    assert use.counts.tolist() == counts.tolist()
    assert use.live == len(set(codes))
    assert use.perplexity == pytest.approx(np.exp(entropy(counts)), rel=1e-12)
    assert 1 - 1e-9 <= use.perplexity <= use.live + 1e-9


def test_code_use_counts_every_place_of_every_image() -> None:
    model = small("codes on two levels")
    x = data().test.images
    found = charts.code_use(model, x, Draws(rows=7))
    for term in model.infer(x, None).terms:  # type: ignore[arg-type]
        counts = torch.bincount(term.z.flatten(), minlength=3)
        assert torch.equal(found[term.group.name].counts, counts)
    with pytest.raises(UsageError, match="this model has no codes"):
        charts.code_use(small("vectors"), x, Draws(rows=7))


@given(st.integers(1, 6), st.integers(1, 9), st.integers(2, 5), st.integers(0, 1000))
def test_codes_are_mapped_by_their_histogram(images: int, places: int, k: int, seed: int) -> None:
    z = torch.randint(0, k, (images, places), generator=torch.Generator().manual_seed(seed))
    found = charts.vectors(z, Group("c", (places,), codes=k))
    assert found.tolist() == [np.bincount(row, minlength=k).tolist() for row in z.numpy()]


@given(st.integers(3, 30), st.integers(1, 2), st.integers(0, 1000))
def test_two_dimensions_are_only_turned_by_pca(count: int, dims: int, seed: int) -> None:
    x = np.random.default_rng(seed).normal(size=(count, dims))
    points, _ = charts.projected(x, "pca", 0)
    assert points.shape == (count, 2)
    assert np.allclose(pdist(points), pdist(x), atol=1e-9)


def test_what_cannot_be_mapped_is_said() -> None:
    with pytest.raises(UsageError, match="are equal"):
        charts.projected(np.ones((5, 3)), "pca", 0)
    with pytest.raises(UsageError, match="at least three test images"):
        charts.projected(np.ones((2, 3)), "tsne", 0)


@pytest.mark.parametrize("row", ["vectors", "a hierarchy", "codes on two levels", "a posterior flow"])
@pytest.mark.parametrize("classes", [None, 3, 30])
def test_maps_of_latents_are_pictures_and_repeatable(row: str, classes: int | None) -> None:
    torch.manual_seed(0)
    model = small(row)
    labels = None if classes is None else torch.arange(30) % classes
    method: charts.Method = "tsne" if classes == 3 else "pca"
    png = charts.latents_png(model, data(labels), 0, 20, method, Draws(rows=8))
    assert pixels(png).shape == (600, 720, 3)
    assert charts.latents_png(model, data(labels), 0, 20, method, Draws(rows=8)) == png


@pytest.mark.parametrize("row", ["codes with a prior", "codes on two levels"])
def test_codebooks_are_pictures(row: str) -> None:
    model = small(row)
    shown = pixels(charts.codes_png(model, data(), Draws(rows=8)))
    assert shown.shape == (440 * len(model.latent.groups), 960, 3)
