"""A picture of the rate of each group of latents."""

from collections.abc import Mapping

from vaebench.pictures.style import figure_png, own_style


def by_side(rates: Mapping[str, float]) -> dict[str, dict[str, float]]:
    """Group rates by resolution, which follows ``@`` in a group's name; the rest are ``all``."""
    sides: dict[str, dict[str, float]] = {}
    for name, nats in rates.items():
        side = name.partition("@")[2]
        sides.setdefault(f"{side}x{side}" if side else "all", {})[name] = nats
    return sides


@own_style()
def rates_png(rates: Mapping[str, float], title: str) -> bytes:
    """A PNG of bars, one per group, root first: nats per image, a colour per resolution."""
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    sides = by_side(rates)
    figure = Figure(figsize=(max(5.0, 0.22 * len(rates) + 1.5), 3.4), layout="constrained")
    axes = figure.add_subplot()
    place = {name: i for i, name in enumerate(rates)}
    for side, groups in sides.items():
        label = f"{side}: {sum(groups.values()):.2f} nats"
        axes.bar([place[name] for name in groups], list(groups.values()), width=0.85, label=label)
    axes.set_xlabel("group of latents, coarse to fine")
    axes.set_ylabel("rate, nats per image")
    axes.set_title(title if len(title) <= 70 else f"{title[:67]}...", fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, frameon=False)
    return figure_png(figure, dpi=150)
