"""What can go wrong in a way that a person can mend: one line each, and the exit code it ends with."""


class VaebenchError(Exception):
    """A failure with a one-line message for a person; exit code 1."""

    exit_code = 1


class UsageError(VaebenchError):
    """The request cannot be carried out as written; exit code 2."""

    exit_code = 2


class DivergedError(VaebenchError):
    """Training left the finite numbers; the last good checkpoint is kept; exit code 3."""

    exit_code = 3


class InUseError(VaebenchError):
    """Another process holds the run's folder; exit code 4."""

    exit_code = 4


class DamagedError(VaebenchError):
    """A file of a run does not hold what was written; exit code 5."""

    exit_code = 5


class OtherDataError(VaebenchError):
    """The data are not those that a run was trained on; exit code 5."""

    exit_code = 5


def refused(error: OSError) -> str:
    """What the file system refuses, in one line: which file, and why."""
    why = error.strerror or str(error)
    return f"{error.filename}: {why}" if error.filename is not None else why
