"""The shipped recipes: each is read, composed and built, and the papers' networks have the papers' sizes."""

from pathlib import Path

import pytest
import torch

from vaebench import registry
from vaebench.composing.resolve import resolve
from vaebench.composing.spec import parse
from vaebench.contracts import ImageShape
from vaebench.errors import UsageError
from vaebench.imports import PROJECTS
from vaebench.requests import recipes

KNOWN = registry.load()
SHIPPED = recipes.shipped()
IMAGES = {
    "digits": ImageShape(1, 8, 8, 17),
    "mnist-binary": ImageShape(1, 28, 28, 2),
    "cifar10": ImageShape(3, 32, 32),
    "folder:imagenet32,size=32": ImageShape(3, 32, 32),
    "folder:imagenet64,size=64": ImageShape(3, 64, 64),
    "folder:ffhq256,size=256": ImageShape(3, 256, 256),
}
MILLIONS = {"vdvae-cifar10": 39, "vdvae-imagenet32": 119, "vdvae-imagenet64": 125, "vdvae-ffhq256": 115}
"""Of parameters, as the original project states them."""


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_recipe_is_a_whole_request(name: str) -> None:
    plan = recipes.read(recipes.find(name))
    plan.check_names(KNOWN)
    request = plan.request()
    with torch.device("meta"):
        model = resolve(parse(request.compose), KNOWN, IMAGES[request.data]).build(request.training)
    count = sum(parameter.numel() for parameter in model.parameters())
    if name in MILLIONS:
        assert round(count / 1e6) == MILLIONS[name]
    assert 10 < len(recipes.summary(SHIPPED[name])) < 110


def test_layouts_are_shipped_recipes() -> None:
    for project in PROJECTS.values():
        assert set(project.layouts.values()) <= set(SHIPPED)


def test_a_recipe_by_name_or_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "vae-mnist"
    assert recipes.find(str(own)) == own
    assert recipes.find("mine.toml") == Path("mine.toml")
    monkeypatch.chdir(tmp_path)
    Path("mine").write_text("")
    assert recipes.find("mine") == Path("mine")
    with pytest.raises(UsageError, match="neither a file"):
        recipes.find("m" * 5000)
    with pytest.raises(UsageError, match=r"neither a file nor a shipped recipe; .*did you mean vae-mnist\?"):
        recipes.find("vea-mnist")
