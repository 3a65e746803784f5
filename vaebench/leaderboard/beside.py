"""Published figures on a page, beside what was measured: never ranked with it."""

import math
from collections.abc import Iterator, Sequence

from vaebench.leaderboard.columns import bound
from vaebench.leaderboard.comparable import Section
from vaebench.leaderboard.markdown import code, fixed, plain, table
from vaebench.leaderboard.published import FILE, Figure
from vaebench.leaderboard.ranking import WITHIN, Ranked, Row, noise, typical_spread

TITLE = "## Published, not ranked"
LEAD = f"""Figures of [{FILE}]({FILE}), lower is better; data, splits and protocols are their own. A value
with a question mark is of data that exist in several releases, and its source does not say which. A copy was
not read in the paper itself."""
VERDICTS = f"""A difference is within noise where it is at most {WITHIN:g} standard errors of the row here:
the published figure's own noise is not known. "Another size" is a network of the same kind, but of other
widths or depth than the published one."""

_UNITS = ("nats", "bits/dim", "FID")
_BINARISATION = {
    "static": "binarised once",
    "dynamic": "binarised anew each time",
    "unstated": "binarised, how is not stated",
}


def beside(figures: Sequence[Figure], sections: Sequence[tuple[Section, list[Ranked]]]) -> list[str]:
    """The blocks of a page for the figures of its data; none without."""
    if not figures:
        return []
    ordered = sorted(
        figures, key=lambda one: (_UNITS.index(one.unit), one.value, one.method, one.citation, repr(one))
    )
    titles, numeric = ["method", "value", "unit", "protocol", "stated in"], [False, True, False, False, False]
    blocks = [TITLE, LEAD, table(titles, [_cells(figure) for figure in ordered], numeric)]
    compared = [cells for figure in ordered for cells in _compared(figure, sections)]
    if compared:
        titles = ["published", "value", "here", "budget", "bound", "measured", "difference", "verdict"]
        numeric = [False, True, False, True, False, True, True, False]
        blocks += ["### Measured beside published", VERDICTS, table(titles, compared, numeric)]
    return blocks


def _cells(figure: Figure) -> list[str]:
    return [
        plain(figure.method),
        _value(figure),
        figure.unit,
        plain(_protocol(figure)),
        ("copy: " if figure.secondary else "") + plain(figure.citation),
    ]


def _value(figure: Figure) -> str:
    return f"{figure.value}{' ?' if figure.doubtful else ''}"


def _protocol(figure: Figure) -> str:
    stated = figure.protocol
    said = [
        _BINARISATION[stated.binarisation] if stated.binarisation else None,
        stated.bound,
        f"{stated.bits} bits" if stated.bits else None,
        f"release {stated.release or '?'}" if stated.release or figure.doubtful else None,
        stated.note,
    ]
    return ", ".join(filter(None, said)) or "not stated"


def _compared(figure: Figure, sections: Sequence[tuple[Section, list[Ranked]]]) -> Iterator[list[str]]:
    """A line for each row of a composition that the figure names."""
    for section, entries in sections:
        typical = typical_spread([entry.row for entry in entries])
        for entry in entries:
            composition = entry.row.runs[0].record.composition
            if composition == figure.reproduces or composition in figure.comparable_with:
                yield _line(figure, section, entry.row, typical)


def _line(figure: Figure, section: Section, row: Row, typical: float) -> list[str]:
    data, composition = section.protocol.data, row.runs[0].record.composition
    scale, digits, measure = 1.0, 4, "bits"
    if figure.unit == "nats":
        scale, digits, measure = data.channels * data.height * data.width * math.log(2), 2, "nats"
    measured, published = row.mean[measure], float(figure.value)
    return [
        plain(figure.method),
        _value(figure),
        code(composition.replace(",", ", ")),
        f"{section.protocol.images:,}",
        bound(row),
        fixed(measured, digits),
        f"{'+' if measured > published else ''}{fixed(measured - published, digits)}",
        _verdict(figure, measured, noise(row, typical) * scale, section.protocol.images, composition),
    ]


def _verdict(figure: Figure, measured: float, error: float, images: int, composition: str) -> str:
    difference = measured - float(figure.value)
    if error == math.inf:
        said = "the error here is unknown"
    elif abs(difference) <= WITHIN * error:
        said = "within noise"
    else:
        digits = 1 if figure.unit == "nats" else 3
        said = f"{fixed(abs(difference), digits)} {figure.unit} {'above' if difference > 0 else 'below'}"
    if figure.images is not None:
        said += f", with {images / figure.images:.2%} of its images"
    return said if composition == figure.reproduces else f"{said}; another size"
