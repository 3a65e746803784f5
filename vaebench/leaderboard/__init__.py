"""The leaderboard: pages and pictures made from records, and the folder that holds them."""

import os
import sys
from types import ModuleType
from typing import TYPE_CHECKING

from vaebench.leaderboard.folder import RECORDS, Outcome, check, records_of, regenerate, submit
from vaebench.leaderboard.identity import digest, file_name
from vaebench.leaderboard.pages import pages

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "RECORDS",
    "Outcome",
    "check",
    "digest",
    "file_name",
    "pages",
    "records_of",
    "regenerate",
    "submit",
]


class _Callable(ModuleType):
    """This package, which ``vaebench.leaderboard(root)`` calls: the face's function has the same name."""

    def __call__(self, root: str | os.PathLike[str] = "leaderboards") -> "pd.DataFrame":
        """The rows of all boards: see ``vaebench.face.tables.leaderboard``."""
        from vaebench.face.tables import leaderboard

        return leaderboard(root)


sys.modules[__name__].__class__ = _Callable
