"""Recomputed activations change nothing but memory: values, gradients, dropout, running statistics."""

import copy

import pytest
import torch
from torch import Tensor, nn

from vaebench import registry
from vaebench.blocks.recompute import recomputed
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import ImageShape, Progress
from vaebench.noise import TorchNoise
from vaebench.settings import Training

COMPOSITIONS = (
    "enc=vdvae,enc.width=8,enc.blocks=2,latent.z_channels=2",
    "enc=resnet,enc.width=8,latent.z_channels=2,dec.width=8",
    "enc=resnet,enc.width=8,latent=gaussian,prior=normal,dec.width=8",
)


class Segment(nn.Module):
    """What a plugin's block may hold: batch statistics, dropout, and a buffer that its forward moves."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1)
        self.norm = nn.BatchNorm2d(3)
        self.dropout = nn.Dropout(0.4)
        self.calls: Tensor
        self.register_buffer("calls", torch.zeros((), dtype=torch.float64))
        self.places: list[int] = []

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        self.places.append(1)
        return self.dropout(self.norm(self.conv(x).tanh())) * self.calls.clone()

    def other(self, x: Tensor, scale: Tensor) -> Tensor:
        """A method as a segment."""
        return self(x) * scale


def run(blocks: nn.ModuleList, x: Tensor, scale: Tensor, on: bool) -> list[Tensor]:
    torch.manual_seed(3)
    h = x
    for block in blocks:
        assert isinstance(block, Segment)
        h = recomputed(on, block, h)
        h = recomputed(on, block.other, h, scale)
    loss = h.square().sum()
    gradients = torch.autograd.grad(loss, [x, scale, *blocks.parameters()])
    return [loss, *gradients, *(b.clone() for b in blocks.buffers()), torch.rand(3)]


def test_gradients_dropout_and_running_statistics_are_the_same() -> None:
    plain = nn.ModuleList([Segment().double() for _ in range(3)])
    other = copy.deepcopy(plain)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64, requires_grad=True)
    scale = torch.randn(3, 1, 1, dtype=torch.float64, requires_grad=True)
    for _ in range(2):
        for found, expected in zip(run(other, x, scale, True), run(plain, x, scale, False), strict=True):
            assert torch.equal(found, expected)
    for first, second in zip(plain, other, strict=True):
        assert len(second.places) > len(first.places), "it was computed again"
        assert second.calls == first.calls == 4


@pytest.mark.parametrize("said", COMPOSITIONS)
def test_a_composition_has_the_same_loss_and_gradients(said: str) -> None:
    image = ImageShape(1, 12, 12, 17)
    found = resolve(parse(said), registry.load(), image)
    plain = found.build().double()
    again = found.build(Training(recompute=True)).double()
    assert all(part.recompute for part in again.parts)
    again.load_state_dict(plain.state_dict())
    x = torch.randint(0, 17, (3, 1, 12, 12)).to(torch.uint8)
    kept: list[int] = []
    losses = []
    for model in (plain, again):
        torch.manual_seed(1)
        count = 0

        def keep(tensor: Tensor) -> Tensor:
            nonlocal count
            count += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t):
            loss, _ = model.loss(x, TorchNoise(), Progress(1, 2))
        loss.backward()
        kept.append(count)
        losses.append(loss)
    assert torch.equal(*losses)
    for a, b in zip(plain.parameters(), again.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        assert torch.allclose(a.grad, b.grad, rtol=1e-12, atol=1e-14)
    assert kept[1] < 0.8 * kept[0], "fewer activations are kept"


def test_nothing_is_computed_again_without_a_gradient() -> None:
    block = Segment().double()
    with torch.no_grad():
        recomputed(True, block, torch.zeros(2, 3, 4, 4, dtype=torch.float64))
    assert block.calls == 1


def test_a_mode_that_has_changed_since_is_put_back_for_the_second_call() -> None:
    """A posterior at pseudo-images is that of evaluation, while the step around it trains."""
    plain = Segment().double().eval()
    other = copy.deepcopy(plain)
    x = torch.randn(4, 3, 5, 5, dtype=torch.float64)
    found = []
    for block, on in ((plain, False), (other, True)):
        y = recomputed(on, block, x)
        block.train()
        found.append(torch.autograd.grad(y.square().sum(), list(block.parameters())))
        assert all(m.training for m in block.modules())
    assert all(torch.allclose(a, b) for a, b in zip(*found, strict=True))
