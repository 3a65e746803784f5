from vaebench.testing import laws_for

test_laws = laws_for("vaebench-fsq")
