"""What a package index and a reader are told of the project and its plugins agrees everywhere."""

import tomllib
from pathlib import Path
from typing import Any

import pytest

import vaebench

ROOT = Path(__file__).parents[1]
PACKAGES = [ROOT, *sorted((ROOT / "plugins").iterdir())]


def project(folder: Path) -> dict[str, Any]:
    """The table ``project`` of a package."""
    return tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]


@pytest.mark.parametrize("folder", PACKAGES, ids=lambda path: path.name)
def test_every_package_says_who_what_where_and_by_which_licence(folder: Path) -> None:
    table = project(folder)
    assert table["license"] == "MIT"
    assert table["authors"] == project(ROOT)["authors"]
    assert {"Homepage", "Changelog", "Issues"} <= set(table["urls"])
    assert table["keywords"]
    assert table["description"]
    (licence,) = table["license-files"]
    assert (folder / licence).read_bytes() == (ROOT / "LICENSE").read_bytes()
    assert (folder / table["readme"]).is_file()
    assert ("Typing :: Typed" in table["classifiers"]) == bool(list(folder.glob("vaebench*/py.typed")))
    assert not [each for each in table["classifiers"] if each.startswith("License ::")]  # PEP 639


def test_version_stands_in_the_changelog_and_the_citation() -> None:
    assert f"\n## {vaebench.__version__}\n" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"\nversion: {vaebench.__version__}\n" in (ROOT / "CITATION.cff").read_text(encoding="utf-8")


def test_unreleased_changes_come_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.index("\n## Unreleased\n") < text.index(f"\n## {vaebench.__version__}\n")
