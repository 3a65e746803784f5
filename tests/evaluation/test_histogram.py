"""The histogram baseline: its formula to the last bit, in memory that does not grow with the images."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from vaebench.evaluation import histogram
from vaebench.maths.units import bits_per_dim


def plain(train: Tensor, test: Tensor, levels: int) -> float:
    """Bits/dim under per-pixel add-one histograms, all at once."""
    flat = train.flatten(1).long()
    counts = 1 + torch.nn.functional.one_hot(flat, levels).sum(0).double()
    log_p = (counts / counts.sum(1, keepdim=True)).log()
    nats = -log_p.gather(1, test.flatten(1).long().T).sum(0).mean().item()
    return bits_per_dim(nats, flat.shape[1])


def images(count: int, shape: tuple[int, int, int], levels: int) -> Tensor:
    return torch.randint(0, levels, (count, *shape)).to(torch.uint8)


@given(
    st.integers(1, 300),
    st.integers(1, 300),
    st.tuples(st.integers(1, 3), st.integers(1, 6), st.integers(1, 6)),
    st.sampled_from([2, 17, 256]),
    st.integers(1, 6000),
    st.integers(0, 10**6),
)
@settings(max_examples=25)
def test_chunks_change_no_bit(
    n: int, m: int, shape: tuple[int, int, int], levels: int, chunk: int, seed: int
) -> None:
    torch.manual_seed(seed)
    train, test = images(n, shape, levels), images(m, shape, levels)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(histogram, "CHUNK", chunk)
        assert histogram.histogram_bits_per_dim(train, test, levels) == plain(train, test, levels)


class Largest(TorchDispatchMode):
    """The most bytes of any tensor of 64-bit numbers that is made and not a view."""

    def __init__(self) -> None:
        super().__init__()
        self.found = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        for tensor in out if isinstance(out, list | tuple) else [out]:
            if isinstance(tensor, Tensor) and tensor.element_size() == 8:
                self.found = max(self.found, tensor.untyped_storage().nbytes())
        return out


def test_memory_does_not_grow_with_the_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(histogram, "CHUNK", 1000)
    train, test = images(3000, (1, 5, 5), 4), images(2000, (1, 5, 5), 4)
    with Largest() as largest:
        histogram.histogram_bits_per_dim(train, test, 4)
    assert (
        0 < largest.found <= 8 * max(2 * 64 * 25, 2000, 25 * 4)
    )  # two chunks, a number per image, the histograms
