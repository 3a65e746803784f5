"""Composable variational autoencoders and a benchmark whose numbers can be trusted.

What a researcher calls is here: ``import vaebench as vb``, then ``vb.compose``, ``vb.train``, ``vb.load`` and
the others of ``__all__``. Each is imported when it is first used, so that the package itself costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vaebench.errors import VaebenchError
    from vaebench.face.check import check
    from vaebench.face.compose import compose
    from vaebench.face.encode import Latents, encode
    from vaebench.face.evaluate import evaluate
    from vaebench.face.export import export
    from vaebench.face.load import load
    from vaebench.face.run import Run
    from vaebench.face.steps import Step, steps
    from vaebench.face.tables import leaderboard, list_parts
    from vaebench.face.train import train
    from vaebench.images import Dataset, ImageShape, Split

__version__ = "0.1.0"

__all__ = [
    "Dataset",
    "ImageShape",
    "Latents",
    "Run",
    "Split",
    "Step",
    "VaebenchError",
    "check",
    "compose",
    "encode",
    "evaluate",
    "export",
    "leaderboard",
    "list_parts",
    "load",
    "steps",
    "train",
]

_HOMES = {
    "Dataset": "vaebench.images",
    "ImageShape": "vaebench.images",
    "Latents": "vaebench.face.encode",
    "Run": "vaebench.face.run",
    "Split": "vaebench.images",
    "Step": "vaebench.face.steps",
    "VaebenchError": "vaebench.errors",
    "check": "vaebench.face.check",
    "compose": "vaebench.face.compose",
    "encode": "vaebench.face.encode",
    "evaluate": "vaebench.face.evaluate",
    "export": "vaebench.face.export",
    "leaderboard": "vaebench.leaderboard",  # a package that can also be called
    "list_parts": "vaebench.face.tables",
    "load": "vaebench.face.load",
    "steps": "vaebench.face.steps",
    "train": "vaebench.face.train",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = import_module(_HOMES[name])
    return home if home.__name__ == f"{__name__}.{name}" else getattr(home, name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
