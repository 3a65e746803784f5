"""The hash of a part's code changes with the code that it runs, and with nothing else."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import vaebench
from vaebench import registry
from vaebench.composing import sources
from vaebench.hookspecs import SHARED

FILES = {
    "__init__.py": '"""A package."""\n',
    "part.py": '"""Part."""\nfrom strange.inner import cells\ndef half(x):\n    """Half."""\n    return 1\n',
    "inner/__init__.py": "",
    "inner/cells.py": "from ..far import away\nSIZE = 3  # cells\n",
    "far.py": "def away():\n    from strange import lazily\n    return lazily\n",
    "lazily.py": "TWO = '# 2'\n",
    "apart.py": "ONE = 1\n",
}


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    root = tmp_path / "strange"
    for name, text in FILES.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield root
    assert "strange" not in sys.modules  # nothing was imported


def hashed(target: str = "strange.part:half") -> str | None:
    sources.source_sha256.cache_clear()
    return sources.source_sha256(target)


@pytest.mark.parametrize("name", ["part.py", "inner/cells.py", "far.py", "lazily.py"])
def test_code_that_the_part_reaches_counts(package: Path, name: str) -> None:
    before = hashed()
    (package / name).write_text(FILES[name] + "MORE = 1\n")
    assert before is not None
    assert hashed() != before


def test_a_sign_within_text_is_no_comment(package: Path) -> None:
    before = hashed()
    (package / "lazily.py").write_text("TWO = '# 3'\n")
    assert hashed() != before


SAME = {
    "code that is not reached": ("apart.py", "ONE = 2\n"),
    "docstrings": (
        "part.py",
        FILES["part.py"].replace("Half.", "A half of x,\n    twice.").replace("Component.", "A part"),
    ),
    "comments": ("inner/cells.py", "from ..far import away\n\n# Three of them.\nSIZE = 3\n"),
    "formatting": ("inner/cells.py", "from ..far import (\n    away,\n)\nSIZE = (\n    3\n)\n"),
    "how a number is written": ("inner/cells.py", "from ..far import away\nSIZE = 0x3\n"),
    "a relative import": ("part.py", FILES["part.py"].replace("from strange.inner", "from .inner")),
    "a returned type": ("part.py", FILES["part.py"].replace("half(x)", "half(x) -> int")),
    "types for checkers": (
        "inner/cells.py",
        "if TYPE_CHECKING:\n    from strange import apart\n" + FILES["inner/cells.py"],
    ),
    "dots for a body": ("far.py", FILES["far.py"] + "    ...\n    pass\n"),
}
OTHER = {
    "a number": ("inner/cells.py", "from ..far import away\nSIZE = 4\n"),
    "a number's type": ("inner/cells.py", "from ..far import away\nSIZE = 3.0\n"),
    "another name of the same module": ("part.py", FILES["part.py"].replace("import cells", "import others")),
    "the same name of another module": (
        "far.py",
        FILES["far.py"].replace("from strange ", "from strange.inner "),
    ),
    "a parameter's type": ("part.py", FILES["part.py"].replace("half(x)", "half(x: int)")),
    "what runs beside a checker": ("inner/cells.py", "if not CHECKING:\n    " + FILES["inner/cells.py"]),
}


@pytest.mark.parametrize("edit", SAME.values(), ids=SAME)
def test_what_cannot_change_a_number_does_not_count(package: Path, edit: tuple[str, str]) -> None:
    name, text = edit
    before = hashed()
    assert before is not None
    (package / name).write_text(text)
    assert hashed() == before


@pytest.mark.parametrize("edit", OTHER.values(), ids=OTHER)
def test_what_could_counts(package: Path, edit: tuple[str, str]) -> None:
    name, text = edit
    before = hashed()
    (package / name).write_text(text)
    assert hashed() != before


WORDS = """import msgspec
from torch import nn
from torch import float32
def part(*, width: Annotated[int, Meta(ge=1, description="{said}")]):
    assert width > {number}, "{said}"
    raise ValueError(f"{said}" * {number})
"""


def test_the_words_of_errors_and_parameters_do_not_count(package: Path) -> None:
    (package / "far.py").write_text(WORDS.format(said="one", number=3))
    before = hashed()
    (package / "far.py").write_text(WORDS.format(said="two", number=3))
    assert hashed() == before
    (package / "far.py").write_text(WORDS.format(said="one", number=4))
    assert hashed() != before
    (package / "far.py").write_text(WORDS.format(said="one", number=3).replace("ge=1", "ge=2"))
    assert hashed() != before


@given(st.permutations(["import torch", "from torch import nn, float32", "from strange.inner import cells"]))
def test_the_order_of_imports_does_not_count(imports: list[str]) -> None:
    shapes = {
        repr(sources._shape(ast.parse("\n".join(each)), "strange", "strange"))
        for each in (imports, sorted(imports), [*imports[1:], imports[0], "from torch import nn"])
    }
    assert len(shapes) == 1


def test_a_folder_may_be_renamed(package: Path) -> None:
    before = hashed()
    for name, text in FILES.items():
        (package / name).write_text(text.replace("strange.inner", "strange.within.deep"))
    (package / "within").mkdir()
    (package / "inner").rename(package / "within" / "deep")
    (package / "within" / "deep" / "cells.py").write_text(FILES["inner/cells.py"].replace("..far", "...far"))
    assert hashed() == before


def test_which_of_two_modules_a_name_comes_from_counts(package: Path) -> None:
    (package / "apart.py").write_text("SIZE = 4\n")
    hashes = set()
    for one, other in (("apart", "inner.cells"), ("inner.cells", "apart")):
        (package / "inner" / "cells.py").write_text("SIZE = 3\n")
        (package / "far.py").write_text(f"from strange.{one} import SIZE\n")
        (package / "lazily.py").write_text(f"from strange.{other} import SIZE\nMORE = 1\n")
        (package / "part.py").write_text("from strange import far, lazily\nfar.SIZE - 2 * lazily.SIZE\n")
        hashes.add(hashed())
    assert len(hashes) == 2


PARTS = sorted(Path(vaebench.__file__).parent.rglob("*.py"))


@pytest.mark.parametrize("path", PARTS[::3], ids=lambda path: path.stem)
def test_reformatting_a_file_does_not_count_and_every_constant_in_it_does(path: Path) -> None:
    def shape(tree: ast.Module) -> str:
        return repr(sources._shape(sources._Bare().visit(tree), "vaebench.x", "vaebench"))

    text = path.read_text(encoding="utf-8")
    whole = shape(ast.parse(text))
    assert shape(ast.parse(ast.unparse(ast.parse(text)))) == whole
    bare = sources._Bare().visit(ast.parse(text))
    constants = [node for node in ast.walk(bare) if isinstance(node, ast.Constant)]
    for node in constants[::7]:
        kept, node.value = node.value, "another"
        assert repr(sources._shape(bare, "vaebench.x", "vaebench")) != whole
        node.value = kept


@given(st.sampled_from(["strange.absent:x", "nowhere.at.all:x", "sys:path"]))
def test_code_without_source_has_no_hash(target: str) -> None:
    assert hashed(target) is None


def test_code_that_cannot_be_parsed_has_no_hash(package: Path) -> None:
    (package / "lazily.py").write_text("def\n")
    assert hashed() is None


@pytest.mark.parametrize("entry", registry.load().entries(), ids=lambda each: f"{each.entry.name}")
def test_every_registered_part_has_one(entry: registry.Registered) -> None:
    assert hashed(entry.entry.target)


NUMBERS = {
    *("encoders", "latents", "priors", "decoders", "likelihoods", "objectives", "datasets", "evaluation"),
    *("blocks", "maths"),
}
"""Packages in which a part's numbers are made."""


@pytest.mark.parametrize(
    "target", [each.entry.target for each in registry.load().entries() if each.package == "vaebench"]
)
def test_a_parts_hash_covers_where_numbers_are_made_and_nothing_of_the_interface(target: str) -> None:
    """A module that parts come to share is put into ``SHARED``, or into one of these packages."""
    names = sources.reached(target.partition(":")[0])
    assert {name.split(".")[1] for name in names} <= NUMBERS


def test_shared_blocks_are_covered() -> None:
    assert "vaebench.blocks.maps" in sources.reached("vaebench.decoders.vdvae")


@pytest.mark.parametrize("name", SHARED)
def test_every_module_of_the_interface_exists(name: str) -> None:
    assert sources._file(name) is not None
    assert sources._of_interface(name)
    assert sources._of_interface(f"{name}.inside")
    assert not sources._of_interface(f"{name}s")


def test_how_deep_a_module_lies_does_not_decide(package: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashed()
    monkeypatch.setattr(sources, "SHARED", ("strange.inner", "strange.lazily"))
    without = hashed()
    assert without != before
    for name in ("inner/cells.py", "lazily.py"):
        (package / name).write_text("MORE = 1\n")
    assert hashed() == without
