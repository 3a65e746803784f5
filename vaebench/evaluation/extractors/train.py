"""Train a small extractor: ``python -m vaebench.evaluation.extractors.train mnist --data-root DIR``."""

import hashlib
from pathlib import Path

import click
import safetensors.torch
import torch
from torch.nn import functional as F

from vaebench import registry
from vaebench.contracts import Split
from vaebench.datasets.load import default_root
from vaebench.evaluation.extractors.small import ALL, Classifier, Small
from vaebench.storage.files import write_atomic

BATCH = 256
PEAK_LR = 4e-3
EPOCHS = {"digits": 40, "mnist": 5, "fashion-mnist": 7}
BINARISED = frozenset({"mnist"})
"""Extractors that must also fit binarised images: half of every batch is drawn from the grey values."""


def fit(small: Small, train: Split, levels: int, epochs: int, binarise: bool, seed: int = 0) -> Classifier:
    """A classifier fitted to labelled images by AdamW on a one-cycle schedule."""
    images, labels = train
    assert labels is not None
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = Classifier(small).to(memory_format=torch.channels_last)  # a third faster on a CPU
        optimiser = torch.optim.AdamW(network.parameters())
        batch = min(BATCH, len(images))
        steps = len(images) // batch
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_LR, total_steps=epochs * steps)
        for _ in range(epochs):
            for rows in torch.randperm(len(images))[: steps * batch].split(batch):
                x = images[rows].float() / (levels - 1)
                if binarise:
                    x[: batch // 2] = torch.bernoulli(x[: batch // 2])
                optimiser.zero_grad()
                F.cross_entropy(network(x), labels[rows]).backward()
                optimiser.step()
                schedule.step()
    return network.to(memory_format=torch.contiguous_format).eval()


@torch.inference_mode()
def accuracy(network: Classifier, test: Split, levels: int) -> float:
    """The share of images classified correctly."""
    images, labels = test
    assert labels is not None
    guesses = [network(x.float() / (levels - 1)).argmax(1) for x in images.split(1000)]
    return float((torch.cat(guesses) == labels).float().mean())


@click.command()
@click.argument("name", type=click.Choice([small.name for small in ALL]))
@click.option(
    "--data-root",
    type=click.Path(path_type=Path),
    default=default_root,
    help="default: VAEBENCH_DATA or the cache",
)
@click.option("--out", type=click.Path(path_type=Path), default=None, help="default: the shipped file")
def main(name: str, data_root: Path, out: Path | None) -> None:
    """Train extractor NAME on the training split of its data set; print its test accuracy and sha256."""
    (small,) = (small for small in ALL if small.name == name)
    data = registry.load().resolve("dataset", name)(data_root)
    torch.set_num_threads(1)  # the order of sums, and with it the hash, would depend on their number
    network = fit(small, data.train, data.image.levels, EPOCHS[name], binarise=name in BINARISED)
    content = safetensors.torch.save(network.state_dict())  # no metadata: their order is not fixed
    write_atomic(out or small.weights, content)
    click.echo(f"test accuracy {accuracy(network, data.test, data.image.levels):.4f}")
    click.echo(f"sha256 {hashlib.sha256(content).hexdigest()}")


if __name__ == "__main__":
    main()
