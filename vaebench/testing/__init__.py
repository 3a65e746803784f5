"""The laws of the contracts, for authors of parts: ``from vaebench.testing import laws_for``.

Needs the extra ``vaebench[testing]``.
"""

from vaebench.testing.pytest import laws_for

__all__ = ["laws_for"]
