"""The PixelCNN decoder: masked over pixels and colours, a distribution over images, drawn as it is scored."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from vaebench.contracts import ImageShape, Level, Likelihood, Output
from vaebench.decoders.pixelcnn import PixelCnn
from vaebench.likelihoods.bernoulli import Bernoulli
from vaebench.likelihoods.categorical import Categorical
from vaebench.likelihoods.logistic import Logistic
from vaebench.likelihoods.logistic_mixture import LogisticMixture
from vaebench.noise import ImageNoise

LIKELIHOODS: list[type[Likelihood]] = [Bernoulli, Categorical, Logistic, LogisticMixture]
SIZES = st.tuples(st.integers(1, 4), st.integers(1, 4))


def made(
    kind: type[Likelihood], colours: int, size: tuple[int, int], levels: int, z: int, seed: int
) -> tuple[PixelCnn, Output, tuple[Tensor, ...]]:
    """A decoder, its output and the features of five images, in float64."""
    torch.manual_seed(seed)
    image = ImageShape(colours, *size, levels)
    decoder = PixelCnn((Level(z, 1, 1),), image, width=4, layers=2, kernel=3)
    likelihood = kind(image)
    return (
        decoder.double(),
        Output(decoder.head(likelihood), likelihood).double(),
        (torch.randn(5, z, 1, 1).double(),),
    )


CASES = st.sampled_from(
    [(k, c) for k in LIKELIHOODS for c in (1, 2, 3) if k is not LogisticMixture or c != 2]
)


@given(CASES, SIZES, st.sampled_from([0, 2]), st.integers(0, 99), st.data())
@settings(max_examples=60, deadline=None)
def test_parameters_see_earlier_pixels_and_earlier_colours_only(
    case: tuple[type[Likelihood], int], size: tuple[int, int], z: int, seed: int, data: st.DataObject
) -> None:
    kind, colours = case
    decoder, output, features = made(kind, colours, size, 2, z, seed)
    x = torch.randint(0, 2, (5, colours, *size))
    row, column = (data.draw(st.integers(0, n - 1)) for n in size)
    colour = data.draw(st.integers(0, colours - 1))
    other = x.clone()
    other[:, colour, row, column] = 1 - other[:, colour, row, column]
    params, changed = (output.parameters_of(decoder(features, i)) for i in (x, other))
    differs = (params != changed).any(0)  # (channels, H, W)
    place = torch.arange(size[0])[:, None] * size[1] + torch.arange(size[1])
    here = row * size[1] + column
    assert not differs[:, place < here].any()
    at = differs[:, row, column]
    if output.likelihood.by_colour:
        blocks = at.unflatten(0, (colours, -1)).any(1)
        assert blocks.tolist() == [c > colour for c in range(colours)]
    else:
        assert not at.any()
    near = (place > here) & (torch.arange(size[0])[:, None] - row <= 1)
    near &= (torch.arange(size[1]) - column).abs() <= 2
    assert differs[:, near].any(0).all(), "no blind spot within reach"


@given(CASES, st.sampled_from([0, 2]), st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_all_images_of_a_tiny_alphabet_sum_to_one(
    case: tuple[type[Likelihood], int], z: int, seed: int
) -> None:
    kind, colours = case
    size = (2, 2) if colours < 3 else (1, 2)
    decoder, output, features = made(kind, colours, size, 2, z, seed)
    count = colours * size[0] * size[1]
    x = torch.tensor(list(itertools.product(range(2), repeat=count))).reshape(-1, colours, *size)
    h = decoder((features[0][:1].expand(len(x), -1, -1, -1),), x)
    assert output.log_prob(h, x).logsumexp(0).item() == pytest.approx(0, abs=1e-10)


@given(CASES, SIZES, st.sampled_from([0, 2]), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_drawing_with_memory_draws_what_the_plain_way_draws(
    case: tuple[type[Likelihood], int], size: tuple[int, int], z: int, seed: int
) -> None:
    kind, colours = case
    decoder, output, features = made(kind, colours, size, 5 if kind is not Bernoulli else 2, z, seed)
    drawn = decoder.sample(features, output, ImageNoise(1, torch.arange(5)))
    noise = ImageNoise(1, torch.arange(5))
    x = torch.zeros_like(drawn)
    rounds = colours if output.likelihood.by_colour else 1
    for row, column, c in itertools.product(range(size[0]), range(size[1]), range(rounds)):
        params = output.parameters_of(decoder(features, x))[:, :, row : row + 1, column : column + 1]
        x[:, c:, row, column] = output.likelihood.sample(params, noise)[:, c:, 0, 0]
    assert torch.equal(drawn, x)


def test_z_reaches_every_pixel() -> None:
    decoder, output, features = made(Categorical, 1, (3, 4), 3, 2, 0)
    x = torch.randint(0, 3, (5, 1, 3, 4))
    one, other = (output.parameters_of(decoder(f, x)) for f in (features, (features[0] + 1,)))
    assert (one != other).any(1).all()
