"""The hash of a class that no plugin registers: what it runs changes it, nothing else does."""

import linecache
import textwrap
from itertools import count
from typing import Any

import pytest

from vaebench.composing.sources import source_sha256
from vaebench.encoders.mlp import Mlp
from vaebench.errors import UsageError
from vaebench.face.code import code_sha256

from .own import MyEncoder

NUMBERS = count()
CLASS = '''
    class Mine(Base):
        """Scaled."""

        def forward(self, x):
            return helper(x) * FACTOR
'''
BASE = """
    class Base:
        def other(self):
            return 1
"""
HELPER = "def helper(x):\n    return x + 1\n"


def run_cell(text: str, names: dict[str, Any]) -> None:
    """Run a cell as a notebook does, with its text where tracebacks look for it."""
    text, name = textwrap.dedent(text), f"<cell {next(NUMBERS)}>"
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    exec(compile(text, name, "exec"), names)


def hash_of(*cells: str) -> str:
    names: dict[str, Any] = {"__name__": "__main__"}
    for cell in cells:
        run_cell(cell, names)
    return code_sha256(names["Mine"])


ORIGINAL = ("FACTOR = 2", HELPER, BASE, CLASS)


@pytest.mark.parametrize(
    "cells",
    [
        ("import math\n\nFACTOR   = 2  # twice", HELPER, BASE, CLASS),
        ("UNUSED = 3\nFACTOR = 2\n" + HELPER, BASE + "\n    print", CLASS),
        ("FACTOR = 2", HELPER, BASE, CLASS.replace("Scaled", "Scaled by a factor")),
        ("FACTOR = 2", HELPER, BASE, CLASS.replace("* FACTOR", "*FACTOR  # times")),
        ("FACTOR = 2", HELPER, BASE, "class Mine:\n    def forward(self):\n        pass\n", CLASS),
    ],
    ids=["spacing", "other names", "docstring", "comment", "defined again"],
)
def test_what_does_not_run_does_not_count(cells: tuple[str, ...]) -> None:
    assert hash_of(*cells) == hash_of(*ORIGINAL)


@pytest.mark.parametrize(
    "cells",
    [
        ("FACTOR = 3", HELPER, BASE, CLASS),
        ("FACTOR = 2", HELPER.replace("+ 1", "+ 2"), BASE, CLASS),
        ("FACTOR = 2", HELPER, BASE.replace("return 1", "return 2"), CLASS),
        ("FACTOR = 2", HELPER, BASE, CLASS.replace("* FACTOR", "+ FACTOR")),
        ("FACTOR = 2", "@staticmethod\n" + HELPER.replace("helper", "helper"), BASE, CLASS),
    ],
    ids=["constant", "function", "base", "class", "decorator"],
)
def test_what_runs_counts(cells: tuple[str, ...]) -> None:
    assert hash_of(*cells) != hash_of(*ORIGINAL)


def test_a_class_of_a_module_has_the_modules_hash() -> None:
    assert code_sha256(MyEncoder) == source_sha256("tests.face.own:MyEncoder")
    assert code_sha256(Mlp) == source_sha256("vaebench.encoders.mlp:Mlp")


def test_a_class_without_source_is_refused() -> None:
    made = type("Made", (), {"__module__": "__main__"})
    with pytest.raises(UsageError, match="the source of Made cannot be read"):
        code_sha256(made)
