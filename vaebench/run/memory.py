"""The memory that this process has used."""

import sys


def peak_mb() -> float | None:
    """The most that it has held at a time, in MiB; None where the system does not tell, as Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
