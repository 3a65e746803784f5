"""A plain PyTorch VAE on binarised MNIST, to hold vaebench's numbers against:
python -m tests.benchmarks.plain_vae --data-root DIR

784-400-400-200, mirrored, LeakyReLU(0.2); Adam 1e-3, batch 100, 30 epochs; pixels binarised afresh in
training. Nothing of vaebench is used but the data set, so that both see the same test images. Prints the mean
ELBO and the 100-sample importance-weighted bound of the last epoch's weights, in nats.
"""

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vaebench.datasets.mnist_binary import mnist_binary


class PlainVae(nn.Module):
    """Encoder to means and log variances, decoder to logits."""

    def __init__(self, hidden: int = 400, latents: int = 200) -> None:
        super().__init__()
        act = nn.LeakyReLU(0.2)
        self.encoder = nn.Sequential(nn.Linear(784, hidden), act, nn.Linear(hidden, hidden), act)
        self.moments = nn.Linear(hidden, 2 * latents)
        self.decoder = nn.Sequential(
            nn.Linear(latents, hidden), act, nn.Linear(hidden, hidden), act, nn.Linear(hidden, 784)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        mean, log_var = self.moments(self.encoder(2 * x - 1)).chunk(2, 1)
        z = mean + (0.5 * log_var).exp() * torch.randn_like(mean)
        return self.decoder(z), z, mean, log_var


def elbo(model: PlainVae, x: Tensor) -> Tensor:
    """(B,) nats, the KL in closed form."""
    logits, _, mean, log_var = model(x)
    log_p = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
    return log_p - 0.5 * (mean**2 + log_var.exp() - 1 - log_var).sum(1)


def iwae(model: PlainVae, x: Tensor, samples: int) -> Tensor:
    """(B,) nats, log of the mean of ``samples`` importance weights."""
    weights = []
    for _ in range(samples):
        logits, z, mean, log_var = model(x)
        log_p = -F.binary_cross_entropy_with_logits(logits, x, reduction="none").sum(1)
        log_prior = -0.5 * (z**2 + math.log(2 * math.pi)).sum(1)
        log_q = -0.5 * ((z - mean) ** 2 / log_var.exp() + log_var + math.log(2 * math.pi)).sum(1)
        weights.append(log_p + log_prior - log_q)
    return torch.stack(weights).logsumexp(0) - math.log(samples)


def main() -> None:
    """Train, then print both bounds over all 10,000 test images."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data-root", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=30)
    said = parser.parse_args()
    data = mnist_binary(said.data_root)
    grey = data.train.images.flatten(1).float() / 255
    test = data.test.images.flatten(1).float()
    torch.manual_seed(0)
    model = PlainVae()
    rule = torch.optim.Adam(model.parameters(), lr=1e-3)
    for epoch in range(said.epochs):
        began = time.perf_counter()
        for batch in torch.randperm(len(grey)).split(100):
            loss = -elbo(model, torch.bernoulli(grey[batch])).mean()
            rule.zero_grad()
            loss.backward()
            rule.step()
        print(f"epoch {epoch + 1}: {time.perf_counter() - began:.1f} s, loss {loss.item():.2f}", flush=True)
    with torch.inference_mode():
        bound = torch.cat(
            [torch.stack([elbo(model, x) for _ in range(10)]).mean(0) for x in test.split(1000)]
        )
        weighted = torch.cat([iwae(model, x, 100) for x in test.split(1000)])
    print(f"ELBO {bound.mean():.3f}, 100-sample bound {weighted.mean():.3f} nats")


if __name__ == "__main__":
    main()
