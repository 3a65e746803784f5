"""The pictures that every run gets: samples, and test images beside their reconstructions."""

from dataclasses import dataclass

import torch
from torch import Tensor

from vaebench import records
from vaebench.contracts import Dataset
from vaebench.errors import UsageError
from vaebench.evaluation.attempts import Watcher, attempted
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.scoring import SHOWN
from vaebench.evaluation.subset import evenly_spaced
from vaebench.model import Vae
from vaebench.noise import ImageNoise
from vaebench.pictures.grid import grid_png, reconstructions_png, samples_png
from vaebench.settings import Scoring

RECONSTRUCTED, STRIP = 36, 8
"""Images in a run's grid of reconstructions, and in a record's row."""


@torch.inference_mode()
def reconstructed(model: Vae, data: Dataset, draws: Draws, count: int) -> tuple[Tensor, Tensor]:
    """Test images (N, C, H, W), spread over the split, and the means that the model gives their latents."""
    x = data.test.images[evenly_spaced(len(data.test.images), count)]
    device = next(model.parameters()).device
    means = [
        model.reconstruct(x[part].to(device), ImageNoise(draws.seed, part.to(device))).cpu()
        for part in torch.arange(len(x)).split(draws.rows)
    ]
    return x, torch.cat(means)


@dataclass(frozen=True)
class RunPictures:
    """PNGs for a run's folder, and small ones for its record; None for what could not be drawn."""

    samples: bytes | None
    reconstructions: bytes | None
    small: records.Pictures | None


def draw_pictures(
    model: Vae, data: Dataset, images: Tensor | None, settings: Scoring, watcher: Watcher
) -> RunPictures:
    """The pictures of a trained model; where one cannot be drawn, the watcher is told why.

    :param images: (N, C, H, W), drawn from the model; None where none could be
    """
    levels = data.image.levels
    draws = Draws(settings.noise_seed, settings.score_batch)

    def samples() -> tuple[bytes, bytes]:
        if images is None:
            raise UsageError("no images could be generated")
        return samples_png(images[:SHOWN], levels), grid_png(images[:STRIP], levels, STRIP)

    def reconstructions() -> tuple[bytes, bytes]:
        pair = reconstructed(model, data, draws, RECONSTRUCTED)
        few = evenly_spaced(len(pair[0]), STRIP)
        row = grid_png(torch.cat([each[few].double() for each in pair]), levels, len(few))
        return reconstructions_png(*pair, levels), row

    drawn = [
        attempted("the picture of samples", samples, watcher),
        attempted("the picture of reconstructions", reconstructions, watcher),
    ]
    (grid, row), (pairs, pair_row) = (
        (None, None) if isinstance(each, records.Missing) else each for each in drawn
    )
    small = None
    if row is not None and pair_row is not None:
        small = records.Pictures(samples=row, reconstructions=pair_row)
    return RunPictures(grid, pairs, small)
