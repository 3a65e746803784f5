"""Seconds and memory per training step of a very deep VAE, beside the machine's matmul rate:
python -m tests.benchmarks.very_deep [--threads 2] [--rounds 7] [--recompute] [--compile]

20 groups in six resolutions, 64 channels, 32 in the bottleneck, 16 latent channels, batch 32 of 1x32x32
binary pixels; encoder blocks 3, 3, 2, 2, 2, 1 and top-down blocks 5, 5, 4, 3, 2, 1 from fine to coarse.
Three networks take turns, so that what else the machine does falls on all alike:

- ``paper``: ``enc=vdvae,latent=topdown,prior=own`` as composed.
- ``small``: the same, but the last residual block of each group has 1x1 convolutions only, as
  pytorch-generative 0.1 builds it (its 1.36 million parameters; a slip of its code, by which the published
  measurements of it are of this network).
- ``plain``: that network written down without care for speed, in the order of operations of its formulas:
  joined maps are copied together, and every block takes the GELU of all that it reads.

``--recompute`` adds that variant of ``paper``, ``--compile`` that of ``small`` (minutes, where there is a C++
compiler). Memory is of the activations that the backward pass keeps.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from vaebench import registry
from vaebench.blocks.bottleneck import Bottleneck
from vaebench.blocks.compiled import compiling
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import ImageShape, Progress
from vaebench.latents.topdown import TopDownBlock
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.settings import Training

WIDTH, INNER, LATENT, BATCH = 64, 32, 16, 32
SIDES, UP, DOWN = (32, 16, 8, 4, 2, 1), (3, 3, 2, 2, 2, 1), (5, 5, 4, 3, 2, 1)
SPEC = (
    "enc=vdvae,enc.width=64,enc.bottleneck=0.5,enc.blocks=32x2,32d2,16x2,16d2,8,8d2,4,4d2,2,2d2,1,"
    "latent=topdown,latent.blocks=1x1,2m1,2,4m2,4x2,8m4,8x3,16m8,16x4,32m16,32x4,latent.bottleneck=0.5,"
    "latent.z_channels=16,lik=bernoulli"
)
Step = Callable[[], Tensor]


def composed(training: Training | None = None) -> Vae:
    """The network of vaebench's parts."""
    return resolve(parse(SPEC), registry.load(), ImageShape(1, 32, 32, 2)).build(training)


def small() -> Vae:
    """The same with 1x1 convolutions in each group's last residual block."""
    model = composed()
    for block in model.latent.modules():
        if isinstance(block, TopDownBlock):
            block.residual = Bottleneck(WIDTH, INNER, WIDTH, residual=True, spatial=False)
    return model


class Plain(nn.Module):
    """The network of ``small`` without vaebench's parts; returns the loss, the mean of nats per image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, WIDTH, 3, padding=1)
        self.up = nn.ModuleList(
            nn.Sequential(*(Residual(_path(WIDTH, WIDTH, side > 2)) for _ in range(count)))
            for side, count in zip(SIDES, UP, strict=True)
        )
        self.start = nn.ParameterList(torch.zeros(1, WIDTH, side, side) for side in SIDES[1:])
        self.down = nn.ModuleList(
            nn.ModuleList(
                nn.ModuleList(
                    [
                        _path(WIDTH, 2 * LATENT + WIDTH, True),
                        _path(2 * WIDTH, 2 * LATENT, True),
                        nn.Conv2d(LATENT, WIDTH, 1),
                        Residual(_path(WIDTH, WIDTH, False)),
                    ]
                )
                for _ in range(count)
            )
            for count in DOWN
        )
        self.head = nn.Conv2d(WIDTH, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        h = self.stem(x)
        maps = []
        for i, stage in enumerate(self.up):
            h = stage(F.avg_pool2d(h, 2) if i else h)
            maps.append(h)
        rate = torch.zeros(len(x))
        state = self.start[-1].expand(len(x), -1, -1, -1)
        for i in reversed(range(len(SIDES))):
            if i < len(SIDES) - 1:
                state = F.interpolate(state, scale_factor=2)
                state = state + self.start[i - 1].expand_as(state) if i else state
            for prior, posterior, project, last in self.down[i]:
                p_mean, p_log_std, more = prior(state).split([LATENT, LATENT, WIDTH], 1)
                q_mean, q_log_std = posterior(torch.cat([state, maps[i]], 1)).chunk(2, 1)
                z = q_mean + q_log_std.exp() * torch.randn_like(q_mean)
                ratio = (2 * (q_log_std - p_log_std)).exp() + ((q_mean - p_mean) / p_log_std.exp()) ** 2
                rate = rate + (0.5 * (ratio - 1) - q_log_std + p_log_std).sum((1, 2, 3))
                state = last(state + more + project(z))
        log_p = -F.binary_cross_entropy_with_logits(self.head(state), x, reduction="none").sum((1, 2, 3))
        return (rate - log_p).mean()


class Residual(nn.Module):
    def __init__(self, path: nn.Module) -> None:
        super().__init__()
        self.path = path

    def forward(self, x: Tensor) -> Tensor:
        return x + self.path(x)


def _path(inputs: int, outputs: int, spatial: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    kernel = 3 if spatial else 1
    for a, b, k in ((inputs, INNER, 1), (INNER, INNER, kernel), (INNER, INNER, kernel), (INNER, outputs, 1)):
        layers += [nn.GELU(), nn.Conv2d(a, b, k, padding=k // 2)]
    return nn.Sequential(*layers)


def step_of(model: nn.Module, x: Tensor, compile: bool = False) -> Step:
    """One training step, AdamW's included; returns the loss."""
    rule = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=True)

    def step() -> Tensor:
        if isinstance(model, Vae):
            with compiling(compile):
                loss, _ = model.loss(x, TorchNoise(), Progress(1, 1))
        else:
            loss = model(x.float())
        rule.zero_grad()
        loss.backward()
        rule.step()
        return loss.detach()

    return step


def kept_megabytes(model: nn.Module, x: Tensor) -> float:
    """Of activations, each counted once, between a forward and a backward pass."""
    sizes: dict[int, int] = {}
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}

    def see(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            sizes[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(see, lambda tensor: tensor):
        loss = model.loss(x, TorchNoise(), Progress(1, 1))[0] if isinstance(model, Vae) else model(x.float())
    kept = sum(sizes.values()) / 2**20
    loss.backward()
    return kept


def matmul_rate(size: int = 1024, times: int = 8) -> float:
    """GFLOP/s of a square float32 matmul, the best of a few."""
    a = torch.randn(size, size)
    best = float("inf")
    for _ in range(times):
        began = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best / 1e9


def main() -> None:
    """Build the variants, let them take turns, and print their medians."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--recompute", action="store_true")
    parser.add_argument("--compile", action="store_true", help="minutes, where there is a C++ compiler")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.manual_seed(0)
    x = torch.randint(0, 2, (BATCH, 1, 32, 32)).to(torch.uint8)
    models: dict[str, nn.Module] = {"plain": Plain(), "small": small(), "paper": composed()}
    if asked.recompute:
        models["recompute"] = composed(Training(recompute=True))
    steps = {name: step_of(model, x) for name, model in models.items()}
    flops: dict[str, float] = {}
    for name, step in steps.items():
        with FlopCounterMode(display=False) as counter:
            step()
        flops[name] = counter.get_total_flops() / 1e9
    if asked.compile:
        models["compiled"], flops["compiled"] = small(), flops["small"]
        steps["compiled"] = step_of(models["compiled"], x, compile=True)
        steps["compiled"]()
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    rates = []
    for _ in range(asked.rounds):
        rates.append(matmul_rate())
        for name, step in steps.items():
            began = time.perf_counter()
            step()
            seconds[name].append(time.perf_counter() - began)
    print(f"{torch.get_num_threads()} threads, matmul {statistics.median(rates):.0f} GFLOP/s")
    base = statistics.median(seconds["plain"])
    for name, model in models.items():
        median = statistics.median(seconds[name])
        print(
            f"{name:14} {sum(p.numel() for p in model.parameters()):8} parameters  {median:.3f} s a step "
            f"(best {min(seconds[name]):.3f}; plain/this {base / median:.2f})  "
            f"{flops[name]:.0f} GFLOP, {flops[name] / median:.0f} GFLOP/s  "
            f"keeps {kept_megabytes(model, x):.0f} MB"
        )


if __name__ == "__main__":
    main()
