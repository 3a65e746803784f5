"""Records to pages and pictures: a pure function, and the folder that it reads and writes."""

from vaebench.leaderboard.folder import Outcome, check, regenerate, submit
from vaebench.leaderboard.identity import digest, file_name
from vaebench.leaderboard.pages import pages

__all__ = ["Outcome", "check", "digest", "file_name", "pages", "regenerate", "submit"]
