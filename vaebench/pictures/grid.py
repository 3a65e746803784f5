"""Grids of images as PNGs."""

import io
import math
import textwrap
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from vaebench.pictures.style import figure_png, own_style

SMALLEST = 48
"""Small images are enlarged until their longer side has at least this many pixels."""
DPI = 100
CHARACTER, LINE = 0.075, 0.16
"""In inches: the width of a label's character, rounded up, and the height of a line of the title."""


def _grid(images: Tensor, levels: int, columns: int) -> np.ndarray:
    """Arrange images (N, C, H, W) in 0 .. levels-1 row by row, as uint8 pixels (height, width, 3)."""
    shown = (images.double() / (levels - 1)).clamp(0, 1)
    shown = (shown if shown.shape[1] == 3 else shown.mean(1, keepdim=True)).expand(-1, 3, -1, -1)
    enlarge = max(1, math.ceil(SMALLEST / max(shown.shape[2:])))
    shown = F.pad(F.interpolate(shown, scale_factor=enlarge, mode="nearest"), (1, 1, 1, 1), value=1.0)
    blank = torch.ones(-len(shown) % columns, *shown.shape[1:], dtype=shown.dtype)
    grid = torch.cat([shown, blank]).unflatten(0, (-1, columns))
    rows, _, _, height, width = grid.shape
    grid = grid.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)
    return (grid * 255).round().to(torch.uint8).numpy()


def grid_png(images: Tensor, levels: int, columns: int) -> bytes:
    """A PNG of images (N, C, H, W) in 0 .. levels-1, row by row; small ones enlarged without smoothing."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_grid(images, levels, columns)).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


@own_style()
def labelled_png(
    images: Tensor, levels: int, across: Sequence[str], down: Sequence[str], title: str
) -> bytes:
    """A PNG of images (N, C, H, W), row by row, under a title, with a label for each column and each row."""
    from matplotlib.figure import Figure

    pixels = _grid(images, levels, len(across))
    height, width = pixels.shape[0] / DPI, pixels.shape[1] / DPI
    left = 0.2 + CHARACTER * max(len(label) for label in down)
    lines = textwrap.wrap(title, int((left + width) / CHARACTER) - 4)
    above = 0.35 + LINE * len(lines)
    whole = (left + width + 0.1, above + height + 0.1)
    figure = Figure(figsize=whole, dpi=DPI)
    axes = figure.add_axes((left / whole[0], 0.1 / whole[1], width / whole[0], height / whole[1]))
    axes.imshow(pixels, interpolation="nearest", aspect="auto")
    for axis, labels, length in (
        (axes.xaxis, across, pixels.shape[1]),
        (axes.yaxis, down, pixels.shape[0]),
    ):
        step = length / len(labels)
        axis.set_ticks([step * (i + 0.5) - 0.5 for i in range(len(labels))], labels, fontsize=8)
    axes.tick_params(length=0, labeltop=True, labelbottom=False, pad=2)
    axes.spines[:].set_visible(False)
    figure.text(0.1 / whole[0], 1 - 0.08 / whole[1], "\n".join(lines), fontsize=9, va="top")
    return figure_png(figure)


def samples_png(images: Tensor, levels: int) -> bytes:
    """A PNG of generated images (N, C, H, W) in 0 .. levels-1, in a grid that is nearly square."""
    return grid_png(images, levels, math.ceil(math.sqrt(len(images))))


def reconstructions_png(images: Tensor, means: Tensor, levels: int) -> bytes:
    """A PNG of images (N, C, H, W) with their reconstructions below each row."""
    columns = min(12, len(images))
    white = images.new_full((-len(images) % columns, *images.shape[1:]), levels - 1).double()
    above, below = (torch.cat([part.double(), white]).split(columns) for part in (images, means))
    rows = [row for pair in zip(above, below, strict=True) for row in pair]
    return grid_png(torch.cat(rows), levels, columns)
