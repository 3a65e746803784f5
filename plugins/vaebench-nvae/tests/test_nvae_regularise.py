"""Spectral norms by power iteration, and the scales of batch normalisation."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from vaebench_nvae.cells import DecoderCell, EncoderCell, conv
from vaebench_nvae.decoder import Head
from vaebench_nvae.regularise import SpectralNorms, scale_norm

from vaebench.contracts import Progress

channels = st.integers(1, 5)


def convolutions(module: nn.Module) -> list[nn.Conv2d]:
    return [m for m in module.modules() if isinstance(m, nn.Conv2d)]


def exact(module: nn.Module) -> Tensor:
    """Σ of the largest singular values, by decomposition."""
    return torch.stack(
        [torch.linalg.matrix_norm(c.weight.flatten(1), ord=2) for c in convolutions(module)]
    ).sum()


def cells(inputs: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        EncoderCell(inputs, outputs), EncoderCell(outputs, outputs), DecoderCell(outputs, inputs, 2)
    ).double()


@given(channels, channels, st.integers(0, 100))
@settings(max_examples=10)
def test_power_iteration_finds_the_largest_singular_values(inputs: int, outputs: int, seed: int) -> None:
    torch.manual_seed(seed)
    module = cells(inputs, outputs)
    norms = SpectralNorms(module).double()
    assert norms() <= exact(module) * (1 + 1e-6), "never above"
    norms.update(400)
    assert torch.allclose(norms(), exact(module), rtol=1e-3)


def test_the_gradient_is_that_of_the_norm() -> None:
    module = cells(3, 4)
    norms = SpectralNorms(module).double()
    norms.update(400)
    found = torch.autograd.grad(norms(), [p for p in module.parameters() if p.dim() == 4])
    expected = torch.autograd.grad(exact(module), [p for p in module.parameters() if p.dim() == 4])
    for a, b in zip(found, expected, strict=True):
        assert torch.allclose(a, b, atol=1e-3)


@given(channels, channels)
def test_the_batch_norm_penalty_is_the_sum_of_the_largest_scales(inputs: int, outputs: int) -> None:
    module = cells(inputs, outputs)
    scales = [m.weight for m in module.modules() if isinstance(m, nn.BatchNorm2d)]
    for scale in scales:
        nn.init.normal_(scale)
    assert torch.allclose(scale_norm(module), torch.stack([s.abs().max() for s in scales]).sum())


def test_reading_changes_nothing_and_a_step_brings_the_vectors_nearer() -> None:
    head = Head(8, 6, 1e-2)
    before = copy.deepcopy(head.state_dict())
    first = head.penalties(Progress(0, 1))["spectral"]
    assert torch.equal(head.penalties(Progress(0, 1))["spectral"], first)
    assert all(torch.equal(before[k], v) for k, v in head.state_dict().items())
    head.eval().after_step()
    assert all(torch.equal(before[k], v) for k, v in head.state_dict().items())
    head.train().after_step()
    assert head.penalties(Progress(0, 1))["spectral"] >= first - 1e-7
    other = Head(8, 6, 1e-2)
    other.load_state_dict(head.state_dict())
    assert torch.equal(
        other.penalties(Progress(0, 1))["spectral"], head.penalties(Progress(0, 1))["spectral"]
    )


def test_a_copy_has_norms_of_its_own_weights() -> None:
    head = Head(3, 2, 1.0)
    other = copy.deepcopy(head)
    with torch.no_grad():
        other.conv.parametrizations.weight.original0.mul_(3)
    ours, theirs = (h.penalties(Progress(0, 1))["spectral"] for h in (head, other))
    assert torch.allclose(3 * ours, theirs)


@pytest.mark.parametrize("weight", [0.0, 1e-2, 1.0])
def test_lambda_scales_the_penalty_and_zero_is_off(weight: float) -> None:
    torch.manual_seed(0)
    head = Head(3, 2, weight)
    said = head.penalties(Progress(0, 1))
    if not weight:
        assert not said
        assert not list(head.buffers())
        return
    assert torch.allclose(said["spectral"], weight * exact(head), rtol=1e-2)


def test_the_penalty_is_not_computed_in_half_precision() -> None:
    head = Head(8, 8, 1.0)
    assert head.norms is not None
    plain = head.norms()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(head.penalties(Progress(0, 1))["spectral"], plain)


def test_weights_are_normalised_as_the_convolution_does() -> None:
    """The stacked normalisation is the library's: a gain of −2 and directions of any length."""
    layer = conv(3, 5, 3).double()
    with torch.no_grad():
        layer.parametrizations.weight.original0.fill_(-2.0)
        layer.parametrizations.weight.original1.mul_(7.0)
    norms = SpectralNorms(layer).double()
    norms.update(400)
    assert torch.allclose(norms(), exact(layer), rtol=1e-3)
