"""The documentation's site is whole, speaks of every part and law, and fetches nothing from elsewhere."""

import importlib.util
import math
import os
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urldefrag

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from tests.testing.parts import law_of, subject_of
from vaebench import registry
from vaebench.likelihoods.logistic import Logistic
from vaebench.maths import logistic
from vaebench.testing.laws import LAWS, PARTS
from vaebench.testing.run import judge

ROOT = Path(__file__).parents[1]


def module(path: str) -> ModuleType:
    """A script of the documentation, imported from its file."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, ROOT / "docs" / path)
    assert spec is not None
    assert spec.loader is not None
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


class Page(HTMLParser):
    """What a page of the site is linked by, links to, and loads."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        self.anchors |= {said[name] for name in ("id", "name") if name in said}
        if tag == "a" and "href" in said:
            self.links.append(said["href"])
        elif tag in ("script", "img", "source", "iframe") and "src" in said:
            self.loaded.append(said["src"])
        elif tag == "link" and said.get("rel") in ("stylesheet", "icon", "preload"):
            self.loaded.append(said["href"])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Page]:
    """The pages of the site, built strictly."""
    pytest.importorskip("mkdocs", reason="the extra vaebench[docs] is not installed")
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return {path: Page(path) for path in sorted(folder.rglob("*.html"))}


def test_no_link_is_dead(site: dict[Path, Page]) -> None:
    dead = []
    for path, page in site.items():
        if path.name == "404.html":
            continue  # its links begin at the site's root, wherever that will be
        for link in page.links:
            target, fragment = urldefrag(unquote(link))
            if ":" in target:
                continue
            place = (path.parent / target).resolve() if target else path
            there = place.is_file() and (not fragment or place not in site or fragment in site[place].anchors)
            if not there and fragment != "__skip":
                dead.append(f"{path.name}: {link}")
    assert not dead


def test_nothing_is_fetched_from_elsewhere(site: dict[Path, Page]) -> None:
    for path, page in site.items():
        assert not [source for source in page.loaded if "//" in source], path.name


def test_every_part_and_data_set_has_its_place(site: dict[Path, Page]) -> None:
    anchors = {anchor for page in site.values() for anchor in page.anchors}
    due = {f"{each.entry.kind}-{each.entry.name}" for each in registry.load().entries()}
    assert not due - anchors


def test_every_law_has_its_place_and_its_equation(site: dict[Path, Page]) -> None:
    generated = module("hooks/generated.py")
    shared = set.intersection(*(set(laws) for laws in PARTS.values()))
    due = {("every", law.name) for law in shared}
    due |= {(kind, law.name) for kind, laws in LAWS.items() for law in laws if law not in shared}
    written = {(kind, name) for kind, names in generated.equations().items() for name in names}
    assert due == written, "docs/hooks/equations.toml holds an equation for each law, and no other"
    (page,) = [page for path, page in site.items() if path.name == "laws.html"]
    assert {generated.anchor(*law) for law in due} <= page.anchors


def test_numbers_of_published_mistakes_are_computed() -> None:
    page = " ".join((ROOT / "docs" / "published-mistakes.md").read_text(encoding="utf-8").split())
    missing = [sentence for sentence in module("snippets/mistakes.py").sentences() if sentence not in page]
    assert not missing


class Fallback(Logistic):
    """Density times width where a mass is below 1e-5."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        mean, log_scale = self._split(params)
        mass = super().log_prob_pixels(params, x)
        middle = (logistic.to_unit(x.to(mean.dtype), self.image.levels) - mean) * torch.exp(-log_scale)
        density = middle - log_scale - 2 * F.softplus(middle) - math.log((self.image.levels - 1) / 2)
        inside = (x > 0) & (x < self.image.levels - 1)
        return torch.where(inside & (mass < math.log(1e-5)), density, mass)


class SquaredError(Logistic):
    """A squared error in [0, 1] in place of a log-probability."""

    def log_prob_pixels(self, params: Tensor, x: Tensor) -> Tensor:
        return -(x / (self.image.levels - 1) - self._split(params)[0]).square()


@pytest.mark.parametrize(("fault", "effort"), [(Fallback, 10), (SquaredError, 1)])
def test_the_law_that_the_page_names_catches(fault: type, effort: float) -> None:
    law = law_of(LAWS["likelihood"], "one pixel sums to one")
    verdict = judge(law, subject_of("likelihood", fault), effort)
    assert verdict.status == "broken"
    assert "sum to" in verdict.reason


def test_the_readme_shows_the_boards_top() -> None:
    board = module("snippets/board.py")
    readme = board.README.read_text(encoding="utf-8")
    now = board.with_top(readme, board.BOARD.read_text(encoding="utf-8"))
    assert now.count("| 1 |") == 1
    assert readme == now, "python docs/snippets/board.py writes the board's top into the README"
