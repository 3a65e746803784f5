"""Drawing from a gated PixelCNN with memory, in passes: ``python -m tests.benchmarks.raster``.

The plain way needs a pass per place: 784 of them for 28x28.
"""

import statistics
import time

import click
import torch

from vaebench.blocks.gated import GatedPixelCnn, pick, readout
from vaebench.blocks.raster import draw


def seconds(work) -> float:  # type: ignore[no-untyped-def]
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@click.command()
@click.option("--batch", default=64, show_default=True)
@click.option("--side", default=28, show_default=True)
@click.option("--width", default=64, show_default=True)
@click.option("--layers", default=10, show_default=True)
@click.option("--rounds", default=5, show_default=True)
def main(batch: int, side: int, width: int, layers: int, rounds: int) -> None:
    """Print seconds of a pass, seconds of drawing everything, and their ratio (medians)."""
    torch.manual_seed(0)
    net, read = GatedPixelCnn(1, width, layers, 3), readout(width, 2)
    x = torch.randint(0, 2, (batch, 1, side, side)).float()

    def one_pass() -> None:
        with torch.no_grad():
            read(net(x))

    def all_draws() -> None:
        def at(row: int, column: int, h: torch.Tensor) -> torch.Tensor:
            logits = read(h[:, :, None, None])[:, :, 0, 0]
            return pick(logits, torch.rand(batch)).float()[:, None]

        draw(net, batch, (side, side), None, at)

    one_pass()
    pairs = [(seconds(one_pass), seconds(all_draws)) for _ in range(rounds)]
    a_pass, drawing = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(d / p for p, d in pairs)
    size = f"{batch} images of {side}x{side}, {layers} layers of {width}, kernel 3"
    click.echo(f"{size}, {torch.get_num_threads()} threads")
    click.echo(f"one pass {a_pass:.3f} s, all draws {drawing:.3f} s: {ratio:.2f} passes")
    click.echo(f"the plain way needs {side * side}")


if __name__ == "__main__":
    main()
