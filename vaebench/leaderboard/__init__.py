"""The leaderboard: pages and pictures made from records, and the folder that holds them."""

from vaebench.leaderboard.folder import RECORDS, Outcome, check, records_of, regenerate, submit
from vaebench.leaderboard.identity import digest, file_name
from vaebench.leaderboard.pages import pages

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
