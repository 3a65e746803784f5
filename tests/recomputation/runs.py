"""Six small runs, made by the command line, opened as files."""

import io
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
from PIL import Image
from torch import Tensor

from tests.command import call
from vaebench import registry, settings
from vaebench.composing import resolve as compose
from vaebench.composing import spec
from vaebench.contracts import Dataset
from vaebench.datasets import load as data
from vaebench.model import Vae

COMMON = ("batch=32", "steps=28", "warmup=5", "samples=5", "fid_images=210", "score_batch=100", "follow=7")
COMMON += ("follow_images=12",)


@dataclass(frozen=True)
class Asked:
    """A run of the command line."""

    compose: str
    data: str
    settings: tuple[str, ...]
    seed: int = 0


GREY = Asked(
    "enc=mlp,enc.hidden=24,latent=gaussian,latent.dim=4,prior=vamp,prior.components=10,dec=mlp,dec.hidden=24,"
    "lik=logistic-mixture,lik.components=2",
    "digits",
    ("ema=0.5", "lr=0.03", "schedule=constant", "clip=20", "weight_decay=8", "validate=0.05"),
)
ASKED = {
    "grey": GREY,
    "grey-again": Asked(GREY.compose, GREY.data, GREY.settings, seed=1),
    "binary": Asked(
        "enc=conv,enc.width=6,latent=gaussian,latent.dim=3,prior=normal,dec=conv,dec.width=6,lik=bernoulli",
        "drawn",
        (
            *("ema=0.97", "lr=0.05", "keep_best=false", "optimiser=adam", "weight_decay=0"),
            *("skip=15", "validate=0.2"),
        ),
    ),
    "colour": Asked(
        "enc=mlp,enc.hidden=24,latent=gaussian,latent.dim=4,prior=normal,dec=mlp,dec.hidden=24,"
        "lik=logistic-mixture,lik.components=2,obj=iwae,obj.samples=3",
        "folder:{photos},size=8",
        ("ema=0", "lr=0.01", "extractor=colour-sums", "temperature=0.7", "noise_seed=3", "validate=1"),
    ),
    "coded": Asked(
        "enc=conv,enc.width=8,latent=ema-vq,latent.codes=16,latent.dim=4,prior=pixelcnn,prior.width=6,"
        "prior.layers=2,prior.classes=10,dec=conv,dec.width=8,lik=logistic",
        "digits",
        (
            *(
                "ema=0.8",
                "ema_warmup=false",
                "lr=0.01",
                "validate=0.2",
                "fit.steps=25",
                "fit.batch=50",
                "fit.ema=0.7",
            ),
            *("fit.lr=0.02", "fit.warmup=3", "fit.validate=0.3", "fit.patience=0"),
        ),
    ),
    "hierarchical": Asked(
        "enc=resnet,enc.width=8,latent=topdown,latent.blocks=2x1,4m2,8m4,latent.z_channels=2,prior=normal,"
        "dec=resnet,dec.width=8,lik=logistic",
        "digits",
        ("ema=0.9", "ema_warmup=false", "lr=0.01", "validate=0.2", "clip=0"),
    ),
}


def photos(folder: Path) -> None:
    """120 colour PNGs of 8x8 in train/, 30 in validation/, 40 in test/: coloured slopes with noise."""
    luck = np.random.default_rng(5)
    down, across = np.mgrid[:8, :8] / 7.0
    for split, count in (("train", 120), ("validation", 30), ("test", 40)):
        (folder / split).mkdir(parents=True)
        for number in range(count):
            tilt = luck.uniform(0, 1, (3, 1, 1)) * down + luck.uniform(0, 1, (3, 1, 1)) * across
            pixels = np.clip(120 * tilt + luck.normal(0, 6, (3, 8, 8)) + 5, 0, 255).astype(np.uint8)
            Image.fromarray(pixels.transpose(1, 2, 0)).save(folder / split / f"{number:03}.png")


@contextmanager
def offered(site: Path) -> Iterator[None]:
    """``tests.recomputation.offers`` is installed meanwhile, as any plugin is."""
    info = site / "vaebench_recomputation-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: vaebench-recomputation\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[vaebench]\nrecomputation = tests.recomputation.offers\n")
    sys.path.insert(0, str(site))
    registry.load.cache_clear()
    try:
        yield
    finally:
        sys.path.remove(str(site))
        registry.load.cache_clear()


def command(*words: object) -> str:
    """What a command that must succeed prints."""
    printed, told = io.TextIOWrapper(io.BytesIO(), encoding="utf-8"), io.StringIO()
    with redirect_stdout(printed), redirect_stderr(told):
        code = call(*words)
        printed.flush()
    assert code == 0, told.getvalue()
    printed.seek(0)
    return printed.read()


@dataclass
class Run:
    """A finished run: what its files say, its data, and a way to build its model."""

    folder: Path
    record: dict[str, Any]
    weights: dict[str, Tensor]
    data: Dataset
    build: Callable[[], Vae]
    stand_in: Callable[[Vae], object]
    """Puts into a model what takes the prior's place while the rest trains."""

    @property
    def model(self) -> Vae:
        """The model with the weights that were scored."""
        model = self.build()
        model.load_state_dict(self.weights)
        return model.eval()


def opened(folder: Path) -> Run:
    record = json.loads((folder / "record.json").read_text())
    weights = safetensors.torch.load_file(folder / "weights" / "model.safetensors")
    parts = registry.load()
    _, images = data.load(spec.parse_data(record["data"]["spec"]), parts, folder)
    composition = compose.resolve(spec.parse(record["composition"]), parts, images.image)
    training = settings.Training(**record["training"])

    def stand_in(model: Vae) -> object:
        prior = composition.build_stand_in(model)
        return prior is not None and model.replace_prior(prior)

    return Run(folder, record, weights, images, lambda: composition.build(training), stand_in)


class Made(dict[str, Run]):
    """The runs of ``ASKED`` by name, each made when it is first asked for."""

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place
        photos(place / "photos")

    def __missing__(self, name: str) -> Run:
        asked, folder = ASKED[name], self.place / name
        words: list[object] = ["run", "--compose", asked.compose, "--seed", asked.seed, "--out", folder]
        words += ["--data", asked.data.format(photos=self.place / "photos"), "--device", "cpu"]
        for setting in COMMON + asked.settings:
            words += ["--set", setting]
        command(*words)
        self[name] = opened(folder)
        return self[name]


def board(made: Made) -> Path:
    """A board of all the runs."""
    root = made.place / "board"
    for name in ASKED:
        command("submit", made[name].folder, "--root", root)
    command("leaderboard", "--root", root)
    assert command("leaderboard", "--check", "--root", root) == ""
    return root
