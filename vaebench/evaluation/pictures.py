"""Grids of images that people look at."""

import io
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.utils import make_grid

from vaebench.files import write_atomic


def grid_png(images: Tensor, levels: int, columns: int) -> bytes:
    """A PNG of images (N, C, H, W) in 0 .. levels-1, row by row; small ones enlarged without smoothing."""
    from PIL import Image

    shown = (images.double() / (levels - 1)).clamp(0, 1)
    if shown.shape[1] not in (1, 3):
        shown = shown.mean(1, keepdim=True)
    enlarge = max(1, math.ceil(48 / max(shown.shape[2:])))
    shown = F.interpolate(shown, scale_factor=enlarge, mode="nearest")
    grid = make_grid(shown, nrow=columns, padding=2, pad_value=1.0)
    pixels = (grid * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def save_samples(path: Path, images: Tensor, levels: int) -> None:
    """Write a square-ish grid of generated images."""
    write_atomic(path, grid_png(images, levels, math.ceil(math.sqrt(len(images)))))


def save_reconstructions(path: Path, images: Tensor, means: Tensor, levels: int) -> None:
    """Write images and, under each row of them, what the model makes of their latents."""
    columns = min(12, len(images))
    rows = []
    for start in range(0, len(images) - columns + 1, columns):
        rows += [images[start : start + columns].double(), means[start : start + columns].double()]
    write_atomic(path, grid_png(torch.cat(rows), levels, columns))
