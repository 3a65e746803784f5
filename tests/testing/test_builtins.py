"""Every registered component, and the house's own formulas, under every law of their kind."""

from vaebench.testing import laws_for

test_laws = laws_for("all")
