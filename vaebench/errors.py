"""Errors that a person can fix: each has a one-line message and an exit code."""


class VaebenchError(Exception):
    """A failure with a one-line message for a person; exit code 1."""

    exit_code = 1


class UsageError(VaebenchError):
    """The request cannot be carried out as written; exit code 2."""

    exit_code = 2


class DivergedError(VaebenchError):
    """Training reached values that are not finite; the last good checkpoint is kept; exit code 3."""

    exit_code = 3


class InUseError(VaebenchError):
    """Another process is using the run folder; exit code 4."""

    exit_code = 4


class DamagedError(VaebenchError):
    """A file of a run does not contain what was written to it; exit code 5."""

    exit_code = 5


class OtherDataError(VaebenchError):
    """The data differ from those that a run was trained on; exit code 5."""

    exit_code = 5


def refused(error: OSError) -> str:
    """Describe an error of the file system in one line: the file and the reason."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename is not None else why
