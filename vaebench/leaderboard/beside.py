"""Published figures on a page, next to measured ones; the two are never ranked together."""

import math
from collections.abc import Iterator, Sequence

from vaebench.leaderboard.columns import bound
from vaebench.leaderboard.comparable import Section
from vaebench.leaderboard.markdown import code, fixed, plain, table
from vaebench.leaderboard.published import FILE, Figure
from vaebench.leaderboard.ranking import WITHIN, Ranked, Row, noise, typical_sd

TITLE = "## Published, not ranked"
LEAD = f"""Figures from [{FILE}]({FILE}); lower is better. Each source has its own data, split and protocol. A
question mark means that the data exist in several releases and the source does not say which one it used.
"Copy" means that the figure was read in another text than the paper that published it."""
VERDICTS = f"""A difference is within noise if it is at most {WITHIN:g} standard errors of the row measured
here; the noise of the published figure is not known. "Another size" marks a network of the same kind whose
width or depth differs from the published one."""

_UNITS = ("nats", "bits/dim", "FID")
_BINARISATION = {
    "static": "binarised once",
    "dynamic": "binarised anew each time",
    "unstated": "binarised, method not stated",
}


def beside(figures: Sequence[Figure], sections: Sequence[tuple[Section, list[Ranked]]]) -> list[str]:
    """The blocks of a page that show the published figures for its data; empty if there are none."""
    if not figures:
        return []
    ordered = sorted(
        figures,
        key=lambda figure: (
            _UNITS.index(figure.unit),
            figure.value,
            figure.method,
            figure.citation,
            repr(figure),
        ),
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
    phrases = [
        _BINARISATION[stated.binarisation] if stated.binarisation else None,
        stated.bound,
        f"{stated.bits} bits" if stated.bits else None,
        f"release {stated.release or '?'}" if stated.release or figure.doubtful else None,
        stated.note,
    ]
    return ", ".join(filter(None, phrases)) or "not stated"


def _compared(figure: Figure, sections: Sequence[tuple[Section, list[Ranked]]]) -> Iterator[list[str]]:
    """A line for each row whose composition the figure names."""
    for section, entries in sections:
        typical = typical_sd([entry.row for entry in entries])
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
        verdict = "standard error unknown"
    elif abs(difference) <= WITHIN * error:
        verdict = "within noise"
    else:
        digits = 1 if figure.unit == "nats" else 3
        verdict = f"{fixed(abs(difference), digits)} {figure.unit} {'above' if difference > 0 else 'below'}"
    if figure.images is not None:
        verdict += f", after {images / figure.images:.2%} of its training images"
    return verdict if composition == figure.reproduces else f"{verdict}; another size"
