"""``vaebench import vdvae``: released weights become a run that scores, samples, and trains further."""

import re
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from tests import golden
from tests.command import call
from vaebench import records, registry
from vaebench.noise import GivenNoise
from vaebench.run import runner
from vaebench.run.folder import RunFolder
from vaebench.training import checkpoint


class Place:
    """A folder with a recipe, weights and images of a reference vector's size."""

    def __init__(self, root: Path, name: str) -> None:
        self.root, self.file = root, golden.read(name)
        self.weights, self.recipe, self.run = root / "weights.th", root / "net.toml", root / "run"
        x = self.file.tensors["x_nhwc"].permute(0, 3, 1, 2)
        images = self.file.images
        self.scale = ((images.max() - images.min()) / (x.max() - x.min())).item()
        self.shift = (images.min() - x.min() * self.scale).item()
        self.recipe.write_text(
            f'compose = "{self.file.spec}"\n[settings]\nshift = {self.shift!r}\nscale = {self.scale!r}\n'
        )
        self.data = f"folder:{root / 'images'},size={images.shape[2]}"
        for split in ("train", "validation", "test"):
            (root / "images" / split).mkdir(parents=True)
            for i, image in enumerate(images if split == "test" else torch.randint_like(images, 256)):
                pixels = image.permute(1, 2, 0).to(torch.uint8).numpy()
                Image.fromarray(pixels).save(root / "images" / split / f"{i}.png")

    def save(self, weights: object) -> None:
        torch.save(weights, self.weights)

    def imported(self, *more: object, out: Path | None = None) -> int:
        words = ["--recipe", self.recipe, "--data", self.data, "--out", out or self.run]
        return call("import", "vdvae", self.weights, *words, *more, "--device", "cpu")


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path, "vdvae_mapped")


@pytest.mark.parametrize("prefix", ["", "module."])
def test_an_imported_run_scores_as_the_reference(place: Place, prefix: str) -> None:
    place.save({f"{prefix}{name}": tensor.float() for name, tensor in place.file.parameters.items()})
    assert place.imported() == 0
    _, model = runner.load(RunFolder(place.run), registry.load(), place.root, "cpu")
    vectors, dims = place.file.tensors, place.file.image.dims
    noise = GivenNoise([vectors[f"posterior/{i}/eps"] for i in range(len(model.latent.groups))])
    with torch.inference_mode():
        scored = model(place.file.images, noise)
    assert torch.allclose(-scored.elbo().double() / dims, vectors["elbo_loss_per_dim"], rtol=1e-5)
    assert torch.allclose(scored.distortion[0].double() / dims, vectors["nll_per_dim"], rtol=1e-5)


def test_an_imported_run_is_evaluated_drawn_and_trained_further(place: Place) -> None:
    place.save(place.file.parameters)
    assert place.imported("--set", "samples=1") == 0
    before = checkpoint.load(place.run / "weights").tensors["model"]
    assert place.imported() == 2, "a folder that holds a run is left alone"
    assert call("eval", place.run, "--device", "cpu") == 0
    for verb in ("sample", "reconstruct"):
        assert call(verb, place.run, "--count", 2, "--device", "cpu") == 0
    tuned = place.root / "tuned"
    words = ["run", "--from", place.run, "--steps", 1, "--set", "ema=0", "--device", "cpu"]
    assert call(*words, "--set", "lr=1e-12", "--set", "weight_decay=0", "--out", tuned) == 0
    after = checkpoint.load(tuned / "weights").tensors["model"]
    for name, tensor in before.items():
        assert torch.allclose(after[name], tensor, atol=1e-9), name
    record = records.read(tuned / "record.json")
    assert record.base is not None
    assert record.base.weights_sha256 == checkpoint.weights_sha256(before)
    assert record.base.command.startswith(f"vaebench import vdvae {place.weights}")
    assert record.training.shift == place.shift
    assert " --from base " in record.command


def test_another_prior_can_be_put_on_imported_weights(place: Place) -> None:
    place.save(place.file.parameters)
    assert place.imported("--set", "samples=1") == 0
    swapped = place.root / "swapped"
    assert call("refit", place.run, "--prior", "normal", "--out", swapped, "--device", "cpu") == 0
    record = records.read(swapped / "record.json")
    assert record.base is not None
    assert record.base.frozen
    assert record.budget.images == 0, "what the weights have seen is not known here"
    before, after = (checkpoint.load(f / "weights").tensors["model"] for f in (place.run, swapped))
    assert checkpoint.weights_sha256(before) == checkpoint.weights_sha256(after)


class Bomb:
    """What a hostile file may hold: unpickling it calls a function."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.marker,)


def test_a_file_that_would_execute_something_is_refused(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    marker = place.root / "executed"
    place.save({"encoder.in_conv.weight": Bomb(marker)})
    assert place.imported() == 2
    assert "cannot be read as a torch file of tensors only" in capsys.readouterr().err
    assert not marker.exists()
    assert not place.run.exists()


def _cut(weights: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    return {key: value for key, value in weights.items() if key != name}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda w: _cut(w, "decoder.gain"), r"weights.th lacks: decoder.gain$"),
        (lambda w: {**w, "decoder.bias_xs.7": torch.zeros(3)}, "lacks: decoder.bias_xs.7$"),
        (
            lambda w: {**w, "encoder.in_conv.bias": torch.zeros(3)},
            r"differs in shape: encoder.stem.bias \(3,\), here \(8,\)$",
        ),
        (lambda w: dict(list(w.items())[:5]), r"lacks: \S+; \S+; \S+ and \d+ more$"),
        (lambda w: {"state": w}, "state is not a tensor but dict; weights are expected$"),
        (lambda w: [1, 2], "contains list; named tensors are expected$"),
    ],
)
def test_weights_that_do_not_fit_get_one_line(
    place: Place, capsys: pytest.CaptureFixture[str], change: object, said: str
) -> None:
    assert callable(change)
    place.save(change(place.file.parameters))
    assert place.imported() == 2
    line = capsys.readouterr().err.strip()
    assert "\n" not in line
    assert re.search(said, line)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["vdvea", "x.th", "--layout", "cifar10"], "did you mean vdvae?"),
        (["vdvae", "x.th"], "give either --layout (one of cifar10, "),
        (["vdvae", "x.th", "--layout", "cifar"], "did you mean cifar10?"),
        (["vdvae", "/nowhere.th", "--layout", "cifar10"], "/nowhere.th cannot be read"),
    ],
)
def test_wrong_usage(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("import", *words) == 2
    assert said in capsys.readouterr().err
