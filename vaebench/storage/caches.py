"""Where what can be fetched or made again is kept; who has no home folder does without."""

import os
from pathlib import Path

NOWHERE = Path(os.devnull) / "no-home-folder"
"""A folder that can neither be there nor be made."""


def folder(variable: str, *below: str) -> Path:
    """The folder that an environment variable names, else one below the user's cache, else ``NOWHERE``."""
    if named := os.environ.get(variable):
        return Path(named)
    try:
        return Path.home().joinpath(".cache", "vaebench", *below)
    except RuntimeError:  # no HOME, and no entry for the user's number
        return NOWHERE
