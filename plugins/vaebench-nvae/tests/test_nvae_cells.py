"""The cells against their definitions."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from vaebench_nvae.cells import BatchNorm, DecoderCell, EncoderCell, SqueezeExcite

sides = st.integers(1, 12)


def unsettled(module: nn.Module) -> nn.Module:
    """In float64, with scales, offsets and running statistics that are not those of the start."""
    for m in module.modules():
        if isinstance(m, nn.BatchNorm2d):
            nn.init.normal_(m.weight)
            nn.init.normal_(m.bias)
            assert m.running_mean is not None
            assert m.running_var is not None
            m.running_mean.normal_()
            m.running_var.uniform_(0.5, 2)
    return module.double()


@given(channels=st.integers(1, 200), height=sides, width=sides)
def test_squeeze_and_excitation_scales_channels(channels: int, height: int, width: int) -> None:
    se = SqueezeExcite(channels).double()
    assert se.squeeze.out_features == max(channels // 16, 4)
    x = torch.randn(2, channels, height, width, dtype=torch.float64)
    gates = (se(x) / x).flatten(2)
    assert ((gates > 0) & (gates < 1)).all()
    assert torch.allclose(gates, gates[:, :, :1].expand_as(gates)), "one gate per channel of an image"
    moved = x.flatten(2)[:, :, torch.randperm(height * width)].reshape_as(x)
    assert torch.allclose((se(moved) / moved).flatten(2)[:, :, 0], gates[:, :, 0]), "places do not count"


@given(
    inputs=st.integers(1, 6),
    outputs=st.integers(1, 6),
    expand=st.integers(1, 6),
    side=sides,
    double=st.booleans(),
    training=st.booleans(),
)
def test_a_decoder_cell_is_what_it_says(
    inputs: int, outputs: int, expand: int, side: int, double: bool, training: bool
) -> None:
    """Enlarging after the expansion, and channels last, change nothing."""
    size = (2 * side, 2 * side) if double else None
    cell = unsettled(DecoderCell(inputs, outputs, expand, size)).train(training)
    assert isinstance(cell, DecoderCell)
    x = torch.randn(3, inputs, side, side, dtype=torch.float64)

    def bn(layer: nn.Module, h: Tensor) -> Tensor:
        assert isinstance(layer, BatchNorm)
        mean, var = layer.running_mean, layer.running_var
        if training:
            mean, var = h.mean((0, 2, 3)), h.var((0, 2, 3), unbiased=False)
        assert mean is not None
        assert var is not None
        scale = layer.weight / (var + layer.eps).sqrt()
        return (h - mean[:, None, None]) * scale[:, None, None] + layer.bias[:, None, None]

    h = F.interpolate(x, size=size, mode="nearest") if size else x
    skip = cell.skip(h)
    h = F.silu(bn(cell.bn2, cell.expand(bn(cell.bn1, h))))
    h = F.silu(bn(cell.bn3, F.conv2d(h, cell.depthwise.weight, padding=2, groups=h.shape[1])))
    expected = skip + 0.1 * cell.se(bn(cell.bn4, cell.project(h)))
    assert torch.allclose(cell(x), expected, rtol=1e-8, atol=1e-10)


@given(
    inputs=st.integers(1, 6), outputs=st.integers(1, 6), side=st.sampled_from([2, 4, 6]), halve=st.booleans()
)
def test_an_encoder_cell_is_what_it_says(inputs: int, outputs: int, side: int, halve: bool) -> None:
    cell = unsettled(EncoderCell(inputs, outputs, halve=halve)).eval()
    assert isinstance(cell, EncoderCell)
    x = torch.randn(2, inputs, side, side, dtype=torch.float64)
    h = F.conv2d(F.silu(cell.bn1(x)), cell.conv1.weight, cell.conv1.bias, stride=2 if halve else 1, padding=1)
    h = F.conv2d(F.silu(cell.bn2(h)), cell.conv2.weight, cell.conv2.bias, padding=1)
    expected = cell.skip(F.avg_pool2d(x, 2) if halve else x) + 0.1 * cell.se(h)
    assert torch.allclose(cell(x), expected)


def test_which_convolutions_are_weight_normalised() -> None:
    decoder, encoder = DecoderCell(4, 4, 6), EncoderCell(4, 8)
    assert not any(hasattr(m, "parametrizations") for m in decoder.modules())
    assert all(hasattr(m, "parametrizations") for m in encoder.modules() if isinstance(m, nn.Conv2d))
    weight = encoder.conv1.weight
    gain = encoder.conv1.parametrizations.weight.original0
    assert torch.allclose(weight.flatten(1).norm(dim=1), gain.flatten()), "the norm per output channel is g"


def test_one_value_per_channel_reads_running_statistics() -> None:
    bn = BatchNorm(3).train()
    x = torch.randn(1, 3, 1, 1)
    assert torch.equal(bn(x), bn.eval()(x))
    assert bn.momentum == pytest.approx(0.05)
