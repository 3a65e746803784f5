"""Compiled segments change nothing but time: values, gradients, running statistics."""

import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from tests.command import call
from vaebench.blocks.compiled import compiled, compiling
from vaebench.blocks.recompute import recomputed


class Segment(nn.Module):
    """Batch statistics, and a method beside ``forward``."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 2, 3, padding=1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)).tanh()

    def scaled(self, x: Tensor, scale: Tensor) -> Tensor:
        """A method as a segment."""
        return self(x) * scale


def step(block: Segment, x: Tensor, on: bool, again: bool) -> list[Tensor]:
    scale = torch.full((2, 1, 1), 2.0, dtype=torch.float64)
    with compiling(on):
        h = recomputed(again, block.scaled, recomputed(again, block, x), scale)
    gradients = torch.autograd.grad(h.square().sum(), list(block.parameters()))
    return [h.detach(), *gradients, *(b.clone() for b in block.buffers())]


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no C++ compiler here")
def test_a_compiled_step_is_the_step() -> None:
    torch.manual_seed(0)
    x = torch.randn(3, 2, 4, 4, dtype=torch.float64)
    plain, other = Segment().double(), Segment().double()
    other.load_state_dict(plain.state_dict())
    for again in (False, True):
        for a, b in zip(step(plain, x, False, again), step(other, x, True, again), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    with compiling(True):
        assert compiled(other) is not other, "it was compiled at all"


def test_nothing_is_compiled_unless_asked_for_and_never_a_module_with_hooks() -> None:
    block = Segment()
    assert compiled(block) is block
    block.register_forward_hook(lambda *_: None)
    with compiling(True):
        assert compiled(block) is block
        assert compiled(torch.tanh) is torch.tanh


def test_without_a_compiler_a_run_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "nosuch++")
    out = tmp_path / "run"
    words = ("--compose", "enc=mlp", "--steps", 1, "--set", "compile=true", "--device", "cpu", "--out", out)
    assert call("run", *words) == 2
    assert "compile=true needs a C++ compiler, and there is no nosuch++ here" in capsys.readouterr().err
    assert not out.exists()
