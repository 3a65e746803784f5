"""Folders for files that can be downloaded or made again; they may be missing without a home folder."""

import os
from pathlib import Path

NOWHERE = Path(os.devnull) / "no-home-folder"
"""A folder that cannot exist and cannot be created."""


def folder(variable: str, *below: str) -> Path:
    """Return the folder named by an environment variable, else one in the user's cache, else ``NOWHERE``."""
    if named := os.environ.get(variable):
        return Path(named)
    try:
        return Path.home().joinpath(".cache", "vaebench", *below)
    except RuntimeError:  # no HOME, and no entry for the user's number
        return NOWHERE
