"""The hash of a part's code changes with the code that it runs, and with nothing else."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vaebench import registry
from vaebench.composing import sources

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


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("apart.py", "ONE = 2\n"),
        ("part.py", FILES["part.py"].replace("Half.", "A half of x,\n    twice.").replace("Part.", "A part")),
        ("inner/cells.py", "from ..far import away\n\n# Three of them.\nSIZE = 3\n"),
    ],
)
def test_words_and_code_that_is_not_reached_do_not(package: Path, name: str, text: str) -> None:
    before = hashed()
    (package / name).write_text(text)
    assert hashed() == before


@given(st.sampled_from(["strange.absent:x", "nowhere.at.all:x", "sys:path"]))
def test_code_without_source_has_no_hash(target: str) -> None:
    assert hashed(target) is None


def test_code_that_cannot_be_parsed_has_no_hash(package: Path) -> None:
    (package / "lazily.py").write_text("def\n")
    assert hashed() is None


@pytest.mark.parametrize("entry", registry.load().entries(), ids=lambda each: f"{each.entry.name}")
def test_every_registered_part_has_one(entry: registry.Registered) -> None:
    assert hashed(entry.entry.target)


def test_the_shared_interface_is_left_out_and_shared_blocks_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    whole = sources._file
    monkeypatch.setattr(sources, "_file", lambda name: (read.append(name), whole(name))[1])
    hashed("vaebench.decoders.vdvae:Vdvae")
    assert "vaebench.blocks.maps" in read
    assert not any(name.count(".") < 2 for name in read)
