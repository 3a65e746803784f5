"""Compiled segments change nothing but time: values, gradients, running statistics."""

import shutil
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.command import call
from vaebench.blocks import compiled as room
from vaebench.blocks.compiled import compiled, compiling
from vaebench.blocks.recompute import recomputed
from vaebench.errors import UsageError
from vaebench.run import prepare as preparing


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
    before = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    for again in (False, True):
        for a, b in zip(step(plain, x, False, again), step(other, x, True, again), strict=True):
            torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-11)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] > before, "it was compiled at all"


HOOKS = (
    nn.Module.register_forward_hook,
    nn.Module.register_forward_pre_hook,
    nn.Module.register_full_backward_hook,
    nn.Module.register_full_backward_pre_hook,
)


@pytest.mark.parametrize("register", HOOKS, ids=lambda hook: hook.__name__)
def test_nothing_is_compiled_unless_asked_for_and_never_a_module_with_hooks(
    register: Callable[..., Any],
) -> None:
    block = Segment()
    assert compiled(block) is block
    with compiling(False):
        assert compiled(block) is block
    with compiling(True) as called:
        assert compiled(block) is not block
        assert called == {Segment.forward}
    register(block, lambda *_: None)
    with compiling(True) as called:
        assert compiled(block) is block
        assert compiled(torch.tanh) is torch.tanh
        assert called == set()


def test_without_a_compiler_or_headers_a_run_is_refused_before_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CXX", "nosuch++")
    out = tmp_path / "run"
    words = ("--compose", "enc=mlp", "--steps", 1, "--set", "compile=true", "--device", "cpu", "--out", out)
    assert call("run", *words) == 2
    assert "compile=true needs a C++ compiler, but nosuch++ is not installed" in capsys.readouterr().err
    monkeypatch.setenv("CXX", sys.executable)
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    assert call("run", *words) == 2
    assert f"needs Python's headers, but {tmp_path / 'include' / 'Python.h'} is missing" in (
        capsys.readouterr().err
    )
    assert not out.exists()


@pytest.mark.parametrize(
    ("triton", "compiler", "said"),
    [(False, sys.executable, "the package triton"), (True, "nosuchcc", "nosuchcc is not installed")],
)
def test_a_gpu_needs_triton_and_a_c_compiler(
    triton: bool, compiler: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "_has_triton", lambda: triton)
    monkeypatch.setenv("CC", compiler)
    with pytest.raises(UsageError, match=said):
        room.check_compiler(torch.device("cuda"))


def test_where_there_is_nothing_to_compile_it_is_said_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(preparing, "check_compiler", lambda device: None)
    words = ("--compose", "enc=mlp", "--steps", 2, "--set", "samples=1", "--set", "extractor=off")
    assert call("run", *words, "--set", "compile=true", "--device", "cpu", "--out", tmp_path / "run") == 0
    assert capsys.readouterr().err.count("compile=true does nothing here") == 1


def test_the_setting_compiles_the_segments_of_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[str] = []

    def compile_nothing(code: Callable[..., Any], **_: Any) -> Callable[..., Any]:
        seen.append(code.__qualname__)
        return code

    monkeypatch.setattr(torch, "compile", compile_nothing)
    room._compiled.cache_clear()
    deep = "enc=resnet,enc.width=4,latent=topdown,latent.z_channels=1,dec=resnet,dec.width=4"
    scored = ["--set", "samples=1", "--set", "extractor=off", "--device", "cpu"]
    words = ["--compose", deep, "--steps", 2, *scored]
    monkeypatch.setattr(preparing, "check_compiler", lambda device: None)
    try:
        assert call("run", *words, "--out", tmp_path / "plain") == 0
        assert seen == []
        assert call("run", *words, "--set", "compile=true", "--out", tmp_path / "run") == 0
        assert "compile=true does nothing here" not in capsys.readouterr().err
    finally:
        room._compiled.cache_clear()
    assert set(seen) == {"Sequential.forward", "TopDownBlock.both", "TopDownBlock.update"}
    assert len(seen) == 3, "each once, whatever the number of blocks"
    monkeypatch.setattr(preparing, "check_compiler", refuse)
    assert call("eval", tmp_path / "run", *scored) == 0, "what is trained is opened without a compiler"


def refuse(device: torch.device) -> None:
    raise UsageError("no compiler")
