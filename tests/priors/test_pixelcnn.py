"""The PixelCNN prior is a distribution over codes: by enumeration, and against plain drawing."""

import itertools
import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vaebench import registry
from vaebench.blocks.gated import pick
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import Context, Group, ImageShape, Walk
from vaebench.errors import UsageError
from vaebench.noise import ImageNoise
from vaebench.priors.pixelcnn import CodeNet, PixelCnn, RasterCodes

IMAGE = ImageShape(1, 8, 8, 2)
GRIDS = st.sampled_from([(1, 1), (2, 2), (1, 3), (3, 1)])


def prior(grids: list[tuple[int, int]], codes: int, classes: int, seed: int) -> PixelCnn:
    torch.manual_seed(seed)
    groups = tuple(Group(str(i), grid, codes) for i, grid in enumerate(grids))
    return PixelCnn(groups, IMAGE, width=3, layers=2, kernel=3, classes=classes).double()


def every(codes: int, grid: tuple[int, int]) -> torch.Tensor:
    flat = torch.tensor(list(itertools.product(range(codes), repeat=math.prod(grid))))
    return flat.reshape(-1, *grid)


def context(batch: int, above: tuple[torch.Tensor, ...] = (), labels: torch.Tensor | None = None) -> Context:
    return Context(batch, above, ImageNoise(0, torch.arange(batch)), labels)


def plainly(of: RasterCodes, noise: ImageNoise, temperature: float) -> torch.Tensor:
    """Codes drawn place by place from the whole grid's logits."""
    z = torch.zeros(len(noise.key), *of.net.size, dtype=torch.int64)
    for row, column in itertools.product(*map(range, of.net.size)):
        logits = of.net(z, of.condition)[:, :, row, column] / temperature
        z[:, row, column] = pick(logits, noise.uniform(logits[:, 0]))
    return z


@given(GRIDS, st.integers(2, 3), st.integers(0, 2), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_the_root_sums_to_one_with_a_class_and_without(
    grid: tuple[int, int], codes: int, classes: int, seed: int
) -> None:
    p = prior([grid], codes, classes, seed)
    z = every(codes, grid)
    for labels in (None, torch.full((len(z),), classes - 1) if classes else None):
        total = p.at(0, context(len(z), labels=labels)).log_prob(z).logsumexp(0)
        assert total.item() == pytest.approx(0, abs=1e-10)


@given(GRIDS, GRIDS, st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_a_lower_grid_sums_to_one_given_any_codes_above_and_depends_on_them(
    top: tuple[int, int], bottom: tuple[int, int], seed: int
) -> None:
    p = prior([top, bottom], 2, 0, seed)
    z = every(2, bottom)
    rows = []
    for above in every(2, top):
        log_p = p.at(1, context(len(z), (above.expand(len(z), *top),))).log_prob(z)
        assert log_p.logsumexp(0).item() == pytest.approx(0, abs=1e-10)
        rows.append(log_p)
    assert len({row[0].item() for row in rows}) > 1


@given(GRIDS, st.integers(2, 4), st.floats(0.3, 1.0), st.integers(0, 99))
@settings(max_examples=25, deadline=None)
def test_drawing_with_memory_draws_what_the_plain_way_draws(
    grid: tuple[int, int], codes: int, temperature: float, seed: int
) -> None:
    p = prior([(2, 2), grid], codes, 0, seed)
    above = (torch.randint(codes, (5, 2, 2)),)
    of = p.at(1, context(5, above))
    assert isinstance(of, RasterCodes)
    drawn = of.sample(ImageNoise(3, torch.arange(5)), temperature)
    assert torch.equal(drawn, plainly(of, ImageNoise(3, torch.arange(5)), temperature))


@given(
    GRIDS, st.integers(2, 4), st.integers(1, 4), st.sampled_from([1e-3, 0.3, 1.0, 2.0]), st.integers(0, 99)
)
@settings(max_examples=25, deadline=None)
def test_the_temperature_acts_whatever_codes_are_conditioned_on(
    grid: tuple[int, int], codes: int, classes: int, temperature: float, seed: int
) -> None:
    p = prior([grid, (2, 2)], codes, classes, seed)
    with torch.no_grad():
        for q in p.parameters():
            q.mul_(3)  # plain starts are so near uniform that no temperature could be seen
    labels, numbers = torch.randint(classes, (6,)), torch.arange(6)
    of_class = p.at(0, context(6, labels=labels))
    below = p.at(1, context(6, (torch.randint(codes, (6, *grid)),)))
    for of in (of_class, below):
        assert isinstance(of, RasterCodes)
        drawn = of.sample(ImageNoise(3, numbers), temperature)
        assert torch.equal(drawn, plainly(of, ImageNoise(3, numbers), temperature))
    noise = ImageNoise(4, numbers)
    mixed = (noise.uniform(torch.zeros(6).double()) * classes).long()
    known = p.at(0, context(6, labels=mixed))
    assert isinstance(known, RasterCodes)
    drawn = p.at(0, context(6)).sample(ImageNoise(4, numbers), temperature)
    assert torch.equal(drawn, plainly(known, noise, temperature)), "a class, then codes at the temperature"


def test_samples_follow_the_density() -> None:
    p = prior([(2, 2)], 2, 2, 7)
    z = every(2, (2, 2))
    count = 20_000
    drawn = p.at(0, context(count)).sample(ImageNoise(1, torch.arange(count)))
    weights = 2 ** torch.arange(4).flip(0)
    seen = (drawn.flatten(1) * weights).sum(1).bincount(minlength=16)
    expected = count * p.at(0, context(16)).log_prob(z).exp()
    chi2 = ((seen - expected) ** 2 / expected).sum().item()
    assert chi2 < 62, "15 degrees of freedom: above 62 once in ten million"


def test_gradient_reaches_every_parameter() -> None:
    p = prior([(2, 3), (4, 6)], 3, 2, 0)
    z = [torch.randint(3, (2, 2, 3)), torch.randint(3, (2, 4, 6))]
    total = p.at(0, context(2, labels=torch.tensor([0, 1]))).log_prob(z[0]).sum()
    total = total + p.at(1, context(2, (z[0],))).log_prob(z[1]).sum()
    total.backward()
    assert [n for n, q in p.named_parameters() if q.grad is None] == []


def test_classes_are_those_of_the_data() -> None:
    p = prior([(1, 1)], 2, 3, 0)
    p.begin(torch.zeros(3, 1, 8, 8), torch.tensor([0, 1, 2]))
    with pytest.raises(UsageError, match="classes=3, but the data set has no classes"):
        p.begin(torch.zeros(3, 1, 8, 8), None)


def test_code_nets_take_the_sizes_of_their_grids() -> None:
    net = prior([(2, 2), (5, 3)], 2, 0, 0).nets[1]
    assert isinstance(net, CodeNet)
    condition = net.condition((torch.zeros(1, 2, 2).long(),), None)
    assert net(torch.zeros(1, 5, 3).long(), condition).shape == (1, 2, 5, 3)


@pytest.mark.parametrize("labelled", [True, False])
def test_a_models_samples_are_at_the_temperature_with_a_class_and_without(labelled: bool) -> None:
    """Near temperature 0 a grid's codes follow from the class and the codes above, whatever the noise."""
    spec = "enc=conv,enc.width=4,latent=vq,latent.levels=2,latent.halvings=0,latent.codes=5,latent.dim=2,"
    spec += "dec=conv,dec.width=4,prior=pixelcnn,prior.classes=2,prior.width=4,prior.layers=2"
    torch.manual_seed(0)
    model = resolve(parse(spec), registry.load(), IMAGE).build().double().eval()
    with torch.no_grad():
        for q in model.prior.parameters():
            q.mul_(3)
    walk, drawn = model.latent.walk, []

    def watched(*given: Any) -> Walk:
        drawn.append(walk(*given))
        return drawn[-1]

    model.latent.walk = watched  # type: ignore[method-assign]
    labels = torch.arange(40) % 2 if labelled else None
    kinds = []
    for temperature in (1e-6, 1.0):
        model.sample(40, ImageNoise(1, torch.arange(40)), temperature, labels)
        terms = drawn[-1].terms
        assert len(terms) == 2
        whole = torch.cat([term.z.flatten(1) for term in terms], 1)
        kinds.append(len(whole.unique(dim=0)))
    assert kinds[0] <= 2 < kinds[1]
