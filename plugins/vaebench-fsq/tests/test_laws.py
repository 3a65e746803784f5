"""Every law of the kit, over every part of this package."""

from uniform import known

from vaebench.testing import laws_for

test_laws = laws_for("vaebench-fsq", known())
