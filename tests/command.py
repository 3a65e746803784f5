"""The command line, called in this process."""

import sys

from vaebench.cli import main


def call(*words: object) -> int:
    """The exit code of ``vaebench WORDS``."""
    kept, sys.argv = sys.argv, ["vaebench", *map(str, words)]
    try:
        main()
    except SystemExit as left:
        return int(left.code or 0)
    finally:
        sys.argv = kept
    raise AssertionError("the command line ends by SystemExit")
