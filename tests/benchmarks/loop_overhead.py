"""What the training loop costs over a bare one: python -m tests.benchmarks.loop_overhead

The bare loop draws the same batches from a tensor in memory, with the same model, clipping and weight
average, and nothing else: no skipping, no reports, no checkpoints. Rounds alternate, so that a machine whose
speed drifts treats both alike; the ratio of each round is printed, and their median.
"""

import copy
import statistics
import tempfile
import time
from pathlib import Path

import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import ImageShape, Progress
from vaebench.model import Vae
from vaebench.noise import TorchNoise
from vaebench.progress import Lines
from vaebench.registry import load
from vaebench.settings import Training
from vaebench.training.checkpoint import Store
from vaebench.training.loop import Trainer
from vaebench.training.stream import Stream

STEPS, ROUNDS = 200, 9
IMAGE = ImageShape(1, 28, 28, 2)
SETTINGS = Training(
    lr=1e-3, batch=100, optimiser="adam", ema=0.999, clip=200.0, validate=0, weight_decay=0.0, warmup=0
)


def bare(model: Vae, images: torch.Tensor) -> float:
    """Seconds of the plainest loop."""
    rule = torch.optim.Adam(model.parameters(), lr=1e-3, fused=True)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(SETTINGS.ema))
    order = torch.randperm(len(images))
    began = time.perf_counter()
    for step in range(STEPS):
        start = step * SETTINGS.batch % (len(images) - SETTINGS.batch)
        loss, _ = model.loss(
            images[order[start : start + SETTINGS.batch]], TorchNoise(), Progress(step, STEPS)
        )
        rule.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), SETTINGS.clip)
        rule.step()
        average.update_parameters(model)
    return time.perf_counter() - began


def ours(model: Vae, images: torch.Tensor) -> float:
    """Seconds of the loop that runs use, its reports as lines."""
    with tempfile.TemporaryDirectory() as folder:
        stream = Stream(images, SETTINGS.batch, 0)
        trainer = Trainer(model, stream, SETTINGS, STEPS, 0, Store(Path(folder)), Lines())
        trainer.save = lambda: None  # type: ignore[method-assign]
        began = time.perf_counter()
        trainer.run()
        return time.perf_counter() - began


def main() -> None:
    """Print the ratio of each round and the median."""
    images = torch.randint(0, 2, (20_000, 1, 28, 28), dtype=torch.uint8)
    spec = parse("enc=mlp,latent=gaussian,latent.dim=200,prior=normal,dec=mlp")
    model = resolve(spec, load(), IMAGE).build()
    ratios = []
    for number in range(ROUNDS + 1):
        pair = {f.__name__: f for f in ((bare, ours) if number % 2 else (ours, bare))}
        seconds = {name: f(copy.deepcopy(model), images) for name, f in pair.items()}
        if number:  # the first round warms up
            ratios.append(seconds["ours"] / seconds["bare"])
            per_step = {name: f"{1e3 * s / STEPS:.2f} ms" for name, s in seconds.items()}
            print(f"round {number}: {per_step}, ratio {ratios[-1]:.3f}", flush=True)
    print(f"median ratio {statistics.median(ratios):.3f} over {ROUNDS} rounds of {STEPS} steps")


if __name__ == "__main__":
    main()
