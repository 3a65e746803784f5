"""The pictures that every run gets: samples, and test images beside their reconstructions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench import records
from vaebench.contracts import Dataset
from vaebench.evaluation.scoring import SHOWN
from vaebench.evaluation.subset import spread
from vaebench.model import Vae
from vaebench.noise import ImageNoise
from vaebench.pictures.grid import grid_png, reconstructions_png, samples_png
from vaebench.settings import Scoring

RECONSTRUCTED, STRIP = 36, 8
"""Images in a run's grid of reconstructions, and in a record's row."""


@torch.inference_mode()
def reconstructed(model: Vae, data: Dataset, seed: int, rows: int, count: int) -> tuple[Tensor, Tensor]:
    """Test images (N, C, H, W), spread over the split, and the means that the model gives their latents."""
    x = data.test.images[spread(len(data.test.images), count)]
    device = next(model.parameters()).device
    means = [
        model.reconstruct(x[part].to(device), ImageNoise(seed, part.to(device))).cpu()
        for part in torch.arange(len(x)).split(rows)
    ]
    return x, torch.cat(means)


@dataclass(frozen=True)
class RunPictures:
    """PNGs for a run's folder, and small ones for its record."""

    samples: bytes
    reconstructions: bytes
    small: records.Pictures


def draw_pictures(model: Vae, data: Dataset, images: Tensor, settings: Scoring) -> RunPictures:
    """The pictures of a trained model.

    :param images: (N, C, H, W), drawn from the model
    """
    levels = data.image.levels
    pair = reconstructed(model, data, settings.noise_seed, settings.score_batch, RECONSTRUCTED)
    few = spread(len(pair[0]), STRIP)
    small = records.Pictures(
        samples=grid_png(images[:STRIP], levels, STRIP),
        reconstructions=grid_png(torch.cat([each[few].double() for each in pair]), levels, len(few)),
    )
    return RunPictures(samples_png(images[:SHOWN], levels), reconstructions_png(*pair, levels), small)
