"""Every law of vaebench on every part of this package; few examples, for the networks are deep."""

from vaebench.testing import laws_for

test_laws = laws_for("vaebench-nvae", effort=0.1)
