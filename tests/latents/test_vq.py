"""Layers of codes: their gradients, and the walk over one grid and over several."""

import copy
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from vaebench.contracts import Generate, Given, ImageShape, Infer, Latent, Level, Walk
from vaebench.errors import UsageError
from vaebench.latents.codes import CodeLatent, places
from vaebench.latents.ema_vq import EmaVq
from vaebench.latents.vq import Vq
from vaebench.noise import TorchNoise
from vaebench.priors.uniform import Uniform

IMAGE = ImageShape(2, 7, 11, 5)
MAPS = (Level(3, 7, 11), Level(4, 4, 6), Level(5, 2, 3), Level(6, 1, 2))
KINDS = [Vq, EmaVq]


def made(kind: type[CodeLatent], levels: int, **told: object) -> tuple[CodeLatent, Uniform]:
    layer = kind(MAPS, IMAGE, **{"codes": 9, "dim": 3, "levels": levels, "init": "normal", **told}).double()
    return layer, Uniform(layer.groups, IMAGE).double()


def features(batch: int) -> tuple[Tensor, ...]:
    return tuple(torch.randn(batch, *level, dtype=torch.float64, requires_grad=True) for level in MAPS)


def walked(
    layer: Latent, prior: Uniform, maps: tuple[Tensor, ...] | None, source: object, batch: int
) -> Walk:
    return layer.walk(maps, source, prior, TorchNoise(), batch)


def codes_of(walk: Walk) -> list[Tensor]:
    return [term.z for term in walk.terms]


@pytest.mark.parametrize("kind", KINDS)
@given(st.integers(1, 3), st.integers(1, 4), st.booleans())
def test_codes_given_back_give_the_features_back_exactly(
    kind: type, levels: int, batch: int, train: bool
) -> None:
    layer, prior = made(kind, levels)
    layer.train(train)
    first = walked(layer, prior, features(batch), Infer(), batch)
    for term, group in zip(first.terms, layer.groups, strict=True):
        assert term.z.shape == (batch, *group.shape)
        assert term.z.dtype == torch.int64
        assert 0 <= term.z.min() <= term.z.max() < 9
        assert term.q.log_prob(term.z).tolist() == [0] * batch
    assert first.features[0].shape == (batch, *layer.out[0])
    again = walked(layer, prior, None, Given(codes_of(first)), batch)
    assert torch.equal(again.features[0], first.features[0])
    for a, b in zip(first.terms, again.terms, strict=True):
        assert len(a.above) == len(b.above) == first.terms.index(a)
        assert all(map(torch.equal, a.above, b.above))
    drawn = walked(layer, prior, None, Generate(), batch)
    assert drawn.features[0].shape == first.features[0].shape
    assert all(not term.penalties and term.q is None for term in drawn.terms)


def single(kind: type[CodeLatent]) -> Iterator[tuple[CodeLatent, Walk, Tensor, Tensor]]:
    """A layer of one grid, its walk, the vectors before quantisation and those after."""
    layer, prior = made(kind, 1, beta=0.7)
    grid = layer.grids[0]
    seen: list[Tensor] = []

    def keep(module: object, given: object, out: Tensor) -> None:
        out.retain_grad()
        seen.append(out)

    grid.project.register_forward_hook(keep)
    walk = walked(layer, prior, features(4), Infer(), 4)
    return layer, walk, seen[0], grid.look_up(walk.terms[0].z)


@pytest.mark.parametrize("kind", KINDS)
def test_the_gradient_goes_straight_through(kind: type) -> None:
    _, walk, e, found = single(kind)
    assert torch.equal(walk.features[0], found)
    weights = torch.randn_like(found)
    (walk.features[0] * weights).sum().backward()
    assert torch.equal(e.grad, weights)


@pytest.mark.parametrize("kind", KINDS)
def test_commitment_and_codebook_terms_equal_their_formulas(kind: type) -> None:
    layer, walk, e, found = single(kind)
    squares = (e - found).square().flatten(1).sum(1)
    penalties = walk.terms[0].penalties
    assert torch.allclose(penalties["commitment"], 0.7 * squares, rtol=1e-12)
    penalties["commitment"].sum().backward(retain_graph=True)
    assert torch.allclose(e.grad, 2 * 0.7 * (e - found), rtol=1e-12)
    if kind is EmaVq:
        assert set(penalties) == {"commitment"}
        assert not layer.grids[0].codebook.weight.requires_grad
        return
    book = layer.grids[0].codebook.weight
    assert book.grad is None, "commitment leaves the codebook alone"
    assert torch.allclose(penalties["codebook"], squares, rtol=1e-12)
    e.grad = None
    penalties["codebook"].sum().backward()
    assert e.grad is None, "the codebook term leaves the encoder alone"
    vectors, codes = e.permute(0, 2, 3, 1).reshape(-1, 3), walk.terms[0].z.flatten()
    for k in range(9):
        expected = 2 * (book[k] - vectors[codes == k]).sum(0)
        assert torch.allclose(book.grad[k], expected, rtol=1e-10)


@pytest.mark.parametrize("kind", KINDS)
def test_a_lower_grid_sees_the_codes_above_and_all_parameters_learn(kind: type) -> None:
    layer, prior = made(kind, 3)
    maps = features(2)
    walk = walked(layer, prior, maps, Infer(), 2)
    codes = codes_of(walk)
    lower = [0, 0]
    for k in range(9):
        other = walked(layer, prior, maps, Given([torch.full_like(codes[0], k), codes[1]]), 2).terms
        for place in (1, 2):
            lower[place - 1] += int((other[place].q.codes != codes[place]).sum())
    assert all(lower)
    changed = tuple(f + 10 * (i == 1) for i, f in enumerate(maps))  # the finest codes' map
    finer = codes_of(walked(layer, prior, changed, Infer(), 2))
    assert torch.equal(finer[0], codes[0])
    assert torch.equal(finer[1], codes[1])
    assert not torch.equal(finer[2], codes[2])
    loss = walk.features[0].square().sum() + sum(p.sum() for t in walk.terms for p in t.penalties.values())
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_group_only_its_channels_are_zero(kind: type) -> None:
    layer, prior = made(kind, 3)
    whole = walked(layer, prior, features(2), Infer(), 2)
    kept = whole.features[0].detach().clone()
    for group in range(3):
        left = layer.without(whole.features, group)[0]
        channels = left != whole.features[0]
        assert channels.any((0, 2, 3)).tolist() == [c // 3 == group for c in range(9)]
        assert (left[channels] == 0).all()
        one_less = [z if i != group else (z + 1) % 9 for i, z in enumerate(codes_of(whole))]
        swapped = walked(layer, prior, None, Given(one_less), 2)
        assert torch.equal(layer.without(swapped.features, group)[0], left), "they hold this group alone"
    assert torch.equal(whole.features[0], kept)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_recomputed_in_backward_commits_once_and_evaluation_never(kind: type) -> None:
    layer, prior = made(kind, 2, init="data")
    other = copy.deepcopy(layer)
    maps = features(6)

    def loss(model: CodeLatent) -> Tensor:
        walk = walked(model, prior, maps, Infer(), 6)
        noise = torch.nn.functional.dropout(walk.features[0], 0.5)
        return noise.square().sum() + sum(p.sum() for t in walk.terms for p in t.penalties.values())

    for step in range(3):
        for model, again in ((layer, False), (other, True)):
            torch.manual_seed(step)
            total = checkpoint(loss, model, use_reentrant=False) if again else loss(model)
            model.zero_grad()
            total.backward()
            model.after_step()
            held = copy.deepcopy(model.state_dict())
            walked(model.eval(), prior, maps, Infer(), 6)
            model.after_step()
            assert all(torch.equal(held[k], v) for k, v in model.state_dict().items())
            model.train()
    for key, value in layer.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key
    for a, b in zip(layer.parameters(), other.parameters(), strict=True):
        assert torch.equal(a.grad, b.grad)


def test_grids_sit_on_maps_by_size() -> None:
    square = ImageShape(3, 64, 64)
    maps = tuple(Level(8, s, s) for s in (64, 32, 16, 8))
    found = {n: [maps[i].height for i in places(maps, square, n, None)] for n in (1, 2, 3)}
    assert found == {1: [16], 2: [16, 32], 3: [8, 16, 32]}
    assert [maps[i].height for i in places(maps, square, 2, 0)] == [32, 64]
    assert places(maps, square, 1, 9) == (3,), "the coarsest where none is that coarse"
    assert places((Level(400, 1, 1),), square, 1, None) == (0,)
    assert [MAPS[i][1:] for i in places(MAPS, IMAGE, 2, None)] == [(2, 3), (4, 6)]
    with pytest.raises(
        UsageError, match="levels=2 needs 2 encoder maps of at most 32x32; the encoder has 1x1; "
    ):
        places((Level(400, 1, 1),), square, 2, None)
