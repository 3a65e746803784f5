"""Charts of a model's latents: a map of test images, and how often each code is used."""

import math
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from vaebench.contracts import Dataset, Group
from vaebench.errors import UsageError
from vaebench.evaluation.codes import CodeUse
from vaebench.evaluation.draws import Draws
from vaebench.evaluation.subset import evenly_spaced
from vaebench.model import Vae
from vaebench.pictures.grid import DPI
from vaebench.pictures.latents import centres, inferred
from vaebench.pictures.style import figure_png, own_style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Method = Literal["pca", "tsne"]
LEGEND = 20
"""Up to this many classes are listed in the legend; more are shown by a colour scale."""
CELLS = 64
"""Up to this many cells of a codebook's grid are drawn with borders."""


def vectors(z: Tensor, group: Group) -> np.ndarray:
    """Flatten a group's latents to (N, dims) float64; codes become a histogram per image."""
    if group.codes is None:
        return z.flatten(1).double().numpy()
    used = torch.zeros(len(z), group.codes, dtype=torch.float64)
    flat = z.flatten(1)
    return used.scatter_add_(1, flat, torch.ones_like(flat, dtype=torch.float64)).numpy()


def projected(x: np.ndarray, method: Method, seed: int) -> tuple[np.ndarray, list[str]]:
    """Project ``x`` (N, dims) to two dimensions; return the points (N, 2) and the titles of the axes.

    :raises UsageError: for fewer than three points, or points that are all equal
    """
    if len(x) < 3:
        raise UsageError(f"a map of latents needs at least three test images; there are {len(x)}")
    if not x.var(0).any():
        raise UsageError("the latents of all test images are equal, so there is nothing to map")
    x = np.pad(x, ((0, 0), (0, max(0, 2 - x.shape[1]))))
    if method == "tsne":
        from sklearn.manifold import TSNE

        perplexity = min(30.0, (len(x) - 1) / 3)
        points = TSNE(2, perplexity=perplexity, init="pca", random_state=seed).fit_transform(x)
        return points, [f"t-SNE {i}, perplexity {perplexity:.3g}" for i in (1, 2)]
    from sklearn.decomposition import PCA

    fitted = PCA(2, random_state=seed)
    points = fitted.fit_transform(x)
    shares = enumerate(fitted.explained_variance_ratio_, 1)
    return points, [f"component {i}: {share:.0%} of the variance" for i, share in shares]


@own_style()
def latents_png(model: Vae, data: Dataset, group: int, count: int, method: Method, draws: Draws) -> bytes:
    """A PNG of test images as points, coloured by class: posterior means or histograms of codes."""
    from matplotlib.figure import Figure

    chosen = model.latent.groups[group]
    shown = evenly_spaced(len(data.test.images), count)
    z = centres(model, data.test.images[shown], group, draws)
    points, axis = projected(vectors(z, chosen), method, draws.seed)
    figure = Figure(figsize=(7.2, 6), dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    labels = None if data.test.labels is None else data.test.labels[shown].numpy()
    _scatter(figure, axes, points, labels)
    what = "posterior means" if chosen.codes is None else "histograms of codes (positions ignored)"
    unknown = "" if labels is not None else " (classes unknown)"
    axes.set_title(f"{len(shown)} test images{unknown}: {what} of {chosen.name}", fontsize=10)
    axes.set_xlabel(axis[0])
    axes.set_ylabel(axis[1])
    return figure_png(figure)


def _scatter(figure: "Figure", axes: "Axes", points: np.ndarray, labels: np.ndarray | None) -> None:
    size = float(np.clip(6000 / len(points), 3, 25))
    if labels is None:
        axes.scatter(points[:, 0], points[:, 1], s=size, alpha=0.7, linewidths=0)
        return
    classes = np.unique(labels)
    if len(classes) > LEGEND:
        drawn = axes.scatter(
            points[:, 0], points[:, 1], s=size, c=labels, cmap="turbo", alpha=0.7, linewidths=0
        )
        figure.colorbar(drawn, label="class")
        return
    from matplotlib import colormaps

    colours = colormaps["tab10" if len(classes) <= 10 else "tab20"]
    for number, name in enumerate(classes):
        mine = points[labels == name]
        axes.scatter(
            mine[:, 0], mine[:, 1], s=size, color=colours(number), label=str(name), alpha=0.7, linewidths=0
        )
    axes.legend(title="class", loc="center left", bbox_to_anchor=(1, 0.5), markerscale=2, frameon=False)


def code_use(model: Vae, images: Tensor, draws: Draws) -> dict[str, CodeUse]:
    """Count how often each code is used over images (N, C, H, W): group -> counts.

    :raises UsageError: for a model without codes
    """
    use = {group.name: CodeUse(group.codes) for group in model.latent.groups if group.codes is not None}
    if not use:
        raise UsageError(
            "this model has no codes; use vaebench latents or vaebench traverse for real-valued latents"
        )
    for terms in inferred(model, images, draws):
        for term in terms:
            if term.group.name in use:
                use[term.group.name].add(term.z)
    return use


@own_style()
def codes_png(model: Vae, data: Dataset, draws: Draws) -> bytes:
    """A PNG of how often each code is used over the test split: for each group a grid and a sorted curve."""
    from matplotlib.figure import Figure

    counted = code_use(model, data.test.images, draws)
    figure = Figure(figsize=(9.6, 4.4 * len(counted)), dpi=DPI, layout="constrained")
    parts = figure.subfigures(len(counted), squeeze=False)
    for part, (name, use) in zip(parts.flat, counted.items(), strict=True):
        total = len(use.counts)
        part.suptitle(
            f"{name}: {use.live} of {total} codes live, perplexity {use.perplexity:.1f}, "
            f"over {len(data.test.images)} test images",
            fontsize=10,
        )
        cells, ordered = part.subplots(1, 2)
        _cells(part, cells, use.counts.numpy())
        _sorted(ordered, use.counts.numpy())
    return figure_png(figure)


def _cells(figure: "Figure", axes: "Axes", counts: np.ndarray) -> None:
    """Draw code k in cell k, row by row, coloured by the logarithm of its count; unused codes are grey."""
    from matplotlib import colormaps
    from matplotlib.colors import LogNorm

    columns = math.ceil(math.sqrt(len(counts)))
    grid = np.ma.masked_all((math.ceil(len(counts) / columns), columns))
    grid.flat[: len(counts)] = np.ma.masked_equal(counts, 0)
    unused = np.full(grid.shape, np.nan)
    unused.flat[: len(counts)] = 0.8
    axes.imshow(unused, cmap="gray", vmin=0, vmax=1)
    norm = LogNorm(1, max(int(counts.max()), 2))
    drawn = axes.imshow(grid, cmap=colormaps["viridis"], norm=norm)
    if len(counts) <= CELLS:
        axes.set_xticks(np.arange(-0.5, columns), minor=True)
        axes.set_yticks(np.arange(-0.5, grid.shape[0]), minor=True)
        axes.grid(which="minor", color="white")
    axes.tick_params(which="both", length=0, labelleft=False, labelbottom=False)
    axes.set_xlabel(
        f"code {columns} · row + column, coloured by its number of uses; grey: never used", fontsize=9
    )
    figure.colorbar(drawn, ax=axes, shrink=0.85)


def _sorted(axes: "Axes", counts: np.ndarray) -> None:
    ordered = np.sort(counts)[::-1]
    live = ordered[ordered > 0]
    axes.step(np.arange(len(live) + 1), np.append(live, live[-1]), where="post")
    axes.axhline(counts.sum() / len(counts), color="grey", linestyle=":", linewidth=1, label="uniform use")
    axes.set_yscale("log")
    axes.set_xlim(0, len(counts))
    axes.locator_params(axis="x", integer=True)
    axes.set_xlabel("codes, most used first", fontsize=9)
    axes.set_ylabel("uses")
    axes.legend(frameon=False)
