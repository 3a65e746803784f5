"""The memory use of this process."""

import sys


def peak_mb() -> float | None:
    """Return the peak memory use in MiB; None where the system does not report it, as on Windows."""
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)
