"""The training step of the moving-average codebook against vector-quantize-pytorch's:
python -m tests.benchmarks.ema_vq

8,192 vectors, K=512, D=64, float32: nearest codes, commitment, straight-through backward, and the update of
counts, sums and codebook. Rounds alternate, so that a machine whose speed drifts treats both alike; medians
and their ratio are printed. Ours revives dead codes as by default, which the library leaves out by
its own default; ``--revive 0`` leaves it out too.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from vaebench.blocks.codebook import EmaCodebook
from vaebench.maths.quantisation import straight_through

VECTORS, CODES, DIM, BETA, DECAY = 8192, 512, 64, 0.25, 0.99


def ours(revive: float) -> Callable[[torch.Tensor], None]:
    """One step of our codebook, with its default start."""
    book = EmaCodebook(CODES, DIM, init="data", revive=revive, decay=DECAY, eps=1e-5, counts="one")

    def step(z: torch.Tensor) -> None:
        found = book.look_up(book(z))
        loss = BETA * (z - found).square().sum()
        (straight_through(z, found).sum() + loss).backward()
        book.commit()

    return step


def theirs() -> Callable[[torch.Tensor], None] | None:
    """One step of the library's, with its defaults; None where it is not installed."""
    try:
        from vector_quantize_pytorch import VectorQuantize
    except ImportError:
        return None
    layer = VectorQuantize(dim=DIM, codebook_size=CODES, decay=DECAY, commitment_weight=BETA).train()

    def step(z: torch.Tensor) -> None:
        found, _, loss = layer(z[None])
        (found.sum() + loss.sum()).backward()

    return step


def seconds(step: Callable[[torch.Tensor], None], z: torch.Tensor) -> float:
    """Seconds of one step."""
    z = z.clone().requires_grad_()
    began = time.perf_counter()
    step(z)
    return time.perf_counter() - began


def main() -> None:
    """Print the median step of each and the ratio."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--revive", type=float, default=0.1)
    said = parser.parse_args()
    torch.set_num_threads(said.threads)
    torch.manual_seed(0)
    mine, library = ours(said.revive), theirs()
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for number in range(said.rounds + 3):
        z = torch.randn(VECTORS, DIM)
        pair = {"ours": mine} | ({"theirs": library} if library else {})
        for name in sorted(pair, reverse=bool(number % 2)):
            spent = seconds(pair[name], z)
            if number >= 3:  # the first rounds warm up
                times[name].append(spent)
    mine_ms = 1e3 * statistics.median(times["ours"])
    print(f"ours {mine_ms:.2f} ms a step, median of {said.rounds}, {said.threads} threads")
    if library is None:
        print("vector-quantize-pytorch is not installed: no ratio")
        return
    their_ms = 1e3 * statistics.median(times["theirs"])
    print(f"vector-quantize-pytorch {their_ms:.2f} ms; ratio {their_ms / mine_ms:.2f}")


if __name__ == "__main__":
    main()
