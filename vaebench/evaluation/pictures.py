"""Grids of images that people look at."""

import io
import math
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from vaebench.files import write_atomic


def grid_png(images: Tensor, levels: int, columns: int) -> bytes:
    """A PNG of images (N, C, H, W) in 0 .. levels-1, row by row; small ones enlarged without smoothing."""
    from PIL import Image

    shown = (images.double() / (levels - 1)).clamp(0, 1)
    shown = (shown if shown.shape[1] == 3 else shown.mean(1, keepdim=True)).expand(-1, 3, -1, -1)
    enlarge = max(1, math.ceil(48 / max(shown.shape[2:])))
    shown = F.pad(F.interpolate(shown, scale_factor=enlarge, mode="nearest"), (1, 1, 1, 1), value=1.0)
    blank = torch.ones(-len(shown) % columns, *shown.shape[1:], dtype=shown.dtype)
    grid = torch.cat([shown, blank]).unflatten(0, (-1, columns))
    rows, _, _, height, width = grid.shape
    grid = grid.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    pixels = (grid * 255).round().to(torch.uint8).numpy()
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
