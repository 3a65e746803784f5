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
    """How a figure was taken, as far as its source says."""

    binarisation: Literal["static", "dynamic", "unstated"] | None = None
    """Once for all, or anew each time the image is seen; None for grey or coloured images."""
    bound: Text | None = None
    """IW-K, ELBO, exact; None where it is not stated."""
    bits: Count | None = None
    """Per channel."""
    release: Text | None = None
    """Of data that exist in several, not comparable."""
    note: Text | None = None


class Figure(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A published number; lower is better."""

    method: Text
    data: Annotated[str, Meta(pattern="^[a-z0-9]+(-[a-z0-9]+)*$")]
    """The page that it stands on."""
    value: Decimal
    """With the digits that were published."""
    unit: Literal["nats", "bits/dim", "FID"]
    citation: Text
    """Who states it."""
    secondary: bool = False
    """Not read in the paper itself."""
    protocol: Stated = Stated()
    images: Count | None = None
    """That training saw."""
    reproduces: Text | None = None
    """The composition, as a page shows it, that is the same network."""
    comparable_with: tuple[Text, ...] = ()
    """Compositions of the same kind, of other sizes."""

    @property
    def doubtful(self) -> bool:
        """Whether its data exist in several releases and it does not say which."""
        return self.data.startswith(SEVERAL_RELEASES) and self.protocol.release is None


SEVERAL_RELEASES = ("imagenet32", "imagenet64")
"""Pages whose data exist in two releases: van den Oord's, and image-net.org's "small"."""


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    figures: tuple[Figure, ...] = ()


def read(path: Path) -> tuple[Figure, ...]:
    """The figures in a file, none where there is no file; UsageError, in one line, for one that is unfit."""
    if not path.exists():
        return ()
    try:
        figures = msgspec.convert(tables.read(path, parse_float=Decimal), _File).figures
    except UsageError as error:
        raise UsageError(visible(str(error))) from None
    except msgspec.ValidationError as error:
        raise UsageError(visible(f"{path}: {error}")) from None
    for figure in figures:
        said = f"{path}: {visible(figure.method)} on {figure.data}"
        if not math.isfinite(float(figure.value)):
            raise UsageError(f"{said}: a finite value is expected")
        if figure.unit == "FID" and (figure.reproduces or figure.comparable_with):
            raise UsageError(f"{said}: FID depends on its extractor; only nats and bits/dim are compared")
    return figures
