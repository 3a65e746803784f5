"""What the forkserver imports once: a call of the command line then costs a fork and its own work."""

import numpy.random  # noqa: F401
import PIL.PngImagePlugin  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch._dynamo  # noqa: F401 (the first optimiser imports it)

import tests.faults.child
import tests.faults.submitters  # noqa: F401
import vaebench.evaluation.scoring
import vaebench.imports  # noqa: F401
from vaebench import registry
from vaebench.run import runner  # noqa: F401

for offered in registry.load().entries():
    registry.load().resolve(offered.entry.kind, offered.entry.name)
