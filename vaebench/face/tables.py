"""What is installed and what is on the boards, as pandas tables. Light: a command lists without pandas."""

import os
from typing import TYPE_CHECKING, Any

from vaebench import registry
from vaebench.composing.slots import SLOTS
from vaebench.errors import UsageError
from vaebench.hookspecs import KINDS
from vaebench.registry import Registered
from vaebench.text import nearest, one_line

if TYPE_CHECKING:
    import pandas as pd

    from vaebench.leaderboard.ranking import Ranked


def kind_named(word: str) -> str:
    """A kind of component from its name, its plural or its slot; UsageError for any other word."""
    words = {kind: kind for kind in KINDS} | {f"{kind}s": kind for kind in KINDS} | dict(SLOTS)
    words |= {"data": "dataset"}
    if not isinstance(word, str):
        raise UsageError(f"kind={one_line(word)}: the name of a kind is expected, as in 'prior'")
    if word not in words:
        raise UsageError(f"unknown kind {one_line(word)}; kinds are {', '.join(KINDS)}{nearest(word, words)}")
    return words[word]


def offers(kind: str | None = None) -> tuple[Registered, ...]:
    """Every component and data set that is installed, or those of one kind."""
    return registry.load().entries(kind_named(kind) if kind else None)


def list_parts(kind: str | None = None) -> "pd.DataFrame":
    """List the components and data sets that are installed, one a row.

    Columns: ``kind``, ``name``, ``summary``, ``package``, ``version`` and ``target``, the class or function.

    :param kind: one kind alone, as ``prior`` or ``dataset``; a slot's name, as ``enc``, will do
    :raises VaebenchError: in one line, for an unknown kind

    >>> import vaebench as vb
    >>> "vamp" in list(vb.list_parts("prior")["name"])
    True
    """
    import pandas as pd

    columns = ["kind", "name", "summary", "package", "version", "target"]
    rows = [
        (r.entry.kind, r.entry.name, r.entry.summary, r.package, r.version, r.entry.target)
        for r in offers(kind)
    ]
    return pd.DataFrame(rows, columns=columns)


def leaderboard(root: str | os.PathLike[str] = "leaderboards") -> "pd.DataFrame":
    """Read the rows of all leaderboards: those of a page side by side, best first.

    A row is one composition under one protocol. Ranks hold within ``page`` and ``section``; a rank is
    ``shared`` where noise could have made the difference. ``bits_per_dim`` is the mean over ``seeds`` seeds
    and ``se`` its standard error, images and seeds together; ``bound`` names the bound and its K; ``nats``,
    ``rate`` and ``distortion`` are per image. What was not measured is NaN. ``command`` repeats the row's
    first run.

    :param root: the folder of leaderboards, with its ``records/``
    :raises VaebenchError: in one line, where it is none, or a record is damaged

    >>> import vaebench as vb
    >>> board = vb.leaderboard("leaderboards")
    >>> best = board[(board.page == "digits") & (board["rank"] == 1)]
    """
    import pandas as pd

    from vaebench.face.arguments import path_of
    from vaebench.leaderboard.folder import records_of
    from vaebench.leaderboard.pages import board

    rows = [
        {"page": page, "section": number, **_cells(entry)}
        for page, shown in board(records_of(path_of("root", root))).items()
        for number, (_, entries) in enumerate(shown.sections, 1)
        for entry in _with_noise(entries)
    ]
    return pd.DataFrame(rows, columns=_COLUMNS)


_COLUMNS = [
    "page",
    "section",
    "rank",
    "shared",
    "composition",
    "bits_per_dim",
    "se",
    "nats",
    "bound",
    "rate",
    "distortion",
    "fid",
    "kid",
    "parameters",
    "images",
    "seeds",
    "data",
    "command",
]


def _with_noise(entries: "list[Ranked]") -> "list[tuple[Ranked, float]]":
    from vaebench.leaderboard.ranking import noise, typical_sd

    typical = typical_sd([entry.row for entry in entries])
    return [(entry, noise(entry.row, typical)) for entry in entries]


def _cells(measured: "tuple[Ranked, float]") -> dict[str, Any]:
    from vaebench.leaderboard.columns import bound

    entry, se = measured
    row, record = entry.row, entry.row.runs[0].record
    return {
        "rank": entry.rank,
        "shared": entry.shared,
        "composition": record.composition,
        "bits_per_dim": row.mean["bits"],
        "se": se,
        **{name: row.mean[name] for name in ("nats", "rate", "distortion", "fid", "kid")},
        "bound": bound(row),
        "parameters": record.budget.parameters,
        "images": record.budget.images,
        "seeds": row.seeds,
        "data": record.data.spec,
        "command": record.command,
    }
