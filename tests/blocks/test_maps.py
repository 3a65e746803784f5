"""Convolutions and GELU of maps are torch's, in value, gradient and memory format."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from vaebench.blocks.maps import Conv, conv2d, gelu

FORMATS = st.sampled_from([torch.contiguous_format, torch.channels_last])
SIZES = st.tuples(st.integers(1, 3), st.integers(1, 4), st.integers(1, 9), st.integers(1, 9))


def with_gradients(f: Callable[..., Tensor], *inputs: Tensor) -> tuple[Tensor, ...]:
    """The value, its gradients, and the gradients of those, which are sums of squares."""
    inputs = tuple(x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in inputs)
    value = f(*inputs)
    first = torch.autograd.grad(value.square().sum(), inputs, create_graph=True)
    second = torch.autograd.grad(sum(g.square().sum() for g in first), inputs)
    return value, *first, *second


def assert_same(found: tuple[Tensor, ...], due: tuple[Tensor, ...]) -> None:
    for a, b in zip(found, due, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)


@given(
    SIZES,
    FORMATS,
    st.integers(1, 4),
    st.sampled_from([(1, 0), (1, 1), (3, 1)]),
    st.booleans(),
    st.integers(0, 99),
)
def test_a_convolution_is_torchs(
    size: tuple[int, ...],
    memory: torch.memory_format,
    outputs: int,
    form: tuple[int, int],
    biased: bool,
    seed: int,
) -> None:
    torch.manual_seed(seed)
    x = torch.randn(size, dtype=torch.float64).to(memory_format=memory)
    kernel, padding = form
    weight = torch.randn(outputs, size[1], kernel, kernel, dtype=torch.float64)
    bias = [torch.randn(outputs, dtype=torch.float64)] if biased else []
    found = with_gradients(lambda x, w, b=None: conv2d(x, w, b, padding), x, weight, *bias)
    due = with_gradients(lambda x, w, b=None: F.conv2d(x, w, b, padding=padding), x, weight, *bias)
    assert_same(found, due)


@given(SIZES, FORMATS, st.integers(0, 99))
def test_gelu_is_torchs_and_keeps_the_memory_format(
    size: tuple[int, ...], memory: torch.memory_format, seed: int
) -> None:
    torch.manual_seed(seed)
    x = torch.randn(size, dtype=torch.float64).to(memory_format=memory)
    assert_same(with_gradients(gelu, x), with_gradients(F.gelu, x))
    assert gelu(x).is_contiguous(memory_format=memory)


@pytest.mark.parametrize("kernel", [1, 3])
def test_a_layer_starts_from_torchs_weights_and_a_bias_of_zero(kernel: int) -> None:
    torch.manual_seed(0)
    layer = Conv(3, 5, kernel)
    torch.manual_seed(0)
    due = torch.nn.Conv2d(3, 5, kernel, padding=kernel // 2, bias=True)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(layer.weight, due.weight)
    torch.testing.assert_close(layer(x), F.conv2d(x, due.weight, padding=kernel // 2))
