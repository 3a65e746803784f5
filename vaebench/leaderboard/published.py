"""``published.toml``: figures from papers, each with its citation and protocol."""

import math
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from vaebench.errors import UsageError
from vaebench.leaderboard.markdown import visible
from vaebench.storage import toml as tables

FILE = "published.toml"

Text = Annotated[str, Meta(min_length=1)]
Count = Annotated[int, Meta(ge=1)]


class Stated(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a figure was measured, as far as its source states it."""

    binarisation: Literal["static", "dynamic", "unstated"] | None = None
    """``static``: once; ``dynamic``: anew whenever an image is seen; None for images that are not binary."""
    bound: Text | None = None
    """IW-K, ELBO, exact; None if not stated."""
    bits: Count | None = None
    """Bits per channel."""
    release: Text | None = None
    """The release of data that exist in several, which are not comparable."""
    note: Text | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published number; lower is better."""

    method: Text
    data: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    """The page that shows the figure."""
    value: Decimal
    """The value, with as many digits as were published."""
    unit: Literal["nats", "bits/dim", "FID"]
    citation: Text
    """The text that states the figure."""
    secondary: bool = False
    """Whether the figure was read in another text than the paper that published it."""
    protocol: Stated = Stated()
    images: Count | None = None
    """How many images training saw."""
    reproduces: Text | None = None
    """The composition, as a page shows it, of the same network."""
    comparable_with: tuple[Text, ...] = ()
    """Compositions of networks of the same kind and another size."""

    @property
    def doubtful(self) -> bool:
        """Whether the data exist in several releases and the source does not say which."""
        return self.data.startswith(SEVERAL_RELEASES) and self.protocol.release is None


SEVERAL_RELEASES = ("imagenet32", "imagenet64")
"""Pages whose data exist in two releases: van den Oord's, and image-net.org's "small"."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    figures: tuple[Figure, ...] = ()


def read(path: Path) -> tuple[Figure, ...]:
    """Read the figures of a file; empty if there is no file.

    :raises UsageError: for an invalid file or figure
    """
    if not path.exists():
        return ()
    try:
        figures = msgspec.convert(tables.read(path, parse_float=Decimal), _File).figures
    except UsageError as error:
        raise UsageError(visible(str(error))) from None
    except msgspec.ValidationError as error:
        raise UsageError(visible(f"{path}: {error}")) from None
    for figure in figures:
        place = f"{path}: {visible(figure.method)} on {figure.data}"
        if not math.isfinite(float(figure.value)):
            raise UsageError(f"{place}: the value must be finite, not {figure.value}")
        if figure.unit == "FID" and (figure.reproduces or figure.comparable_with):
            raise UsageError(
                f"{place}: only nats and bits/dim can be compared, as FID depends on its extractor"
            )
    return figures
