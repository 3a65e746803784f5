"""Commands that write, each with what it needs beforehand and what must come of it, disturbed or not."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import safetensors.torch

from tests.faults.child import Call, call
from tests.faults.shim import Fault, How
from tests.faults.submitters import record
from vaebench import records, registry
from vaebench.composing.spec import parse
from vaebench.leaderboard import submit
from vaebench.records import to_json
from vaebench.requests.recipes import Recipe
from vaebench.run.folder import RunFolder
from vaebench.run.prepare import prepare
from vaebench.training.checkpoint import Store, load_weights, weights_sha256

FLAT = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,prior=normal,dec=mlp,dec.hidden=8,lik=categorical"
CODES = (
    "enc=conv,enc.width=4,latent=ema-vq,latent.codes=8,latent.dim=3,prior=pixelcnn,prior.width=4,"
    "prior.layers=2,dec=conv,dec.width=4,lik=categorical"
)
QUICK = ["--set", "extractor=off", "--set", "samples=1", "--device", "cpu"]
EVERY = ["--set", "checkpoint=1e-9"]
"""A checkpoint at every step."""
FIT = ["--set", "fit.steps=2", "--set", "fit.checkpoint=1e-9"]
CHANGES = ("write", "fsync", "rename", "replace")


@dataclass(frozen=True)
class Scene:
    """A command in a folder of its own."""

    name: str
    words: Callable[[Path], list[object]]
    prepare: Callable[[Path], None]
    outcome: Callable[[Path], object]
    """What must be the same whatever happened on the way."""


def _nothing(place: Path) -> None:
    place.mkdir()


def _ran(*words: object) -> None:
    ended = call(*words)
    assert ended.code == 0, ended.err


def _base(place: Path) -> None:
    _ran("run", "--compose", FLAT, "--steps", 2, *QUICK, "--out", place / "base")


def _released(place: Path) -> None:
    """A file of weights under the names of this project's own very deep VAE, and its recipe."""
    place.mkdir()
    compose = (
        "enc=vdvae,enc.width=4,enc.blocks=8x1,8d8,1x1,latent=topdown,latent.blocks=1x1,prior=own,dec=vdvae"
    )
    (place / "net.toml").write_text(f'compose = "{compose}"\n[settings]\nsamples = 1\nextractor = "off"\n')
    request = Recipe(compose=parse(compose), settings={"extractor": "off"}).request()
    _, model = prepare(request, registry.load(), place, "cpu")
    safetensors.torch.save_file(dict(model.state_dict()), place / "weights.safetensors")


def _board(place: Path) -> None:
    for number in range(5):
        (place / "run").mkdir(parents=True, exist_ok=True)
        (place / "run" / "record.json").write_bytes(to_json(record(number)))
        submit(place / "run" / "record.json", place / "boards")


def _weights(place: Path) -> object:
    said = records.read(place / "run" / "record.json").weights_sha256
    assert said == weights_sha256(load_weights(place / "run" / "weights"))
    return said


def _imported(place: Path) -> object:
    folder = RunFolder(place / "run")
    base = folder.request().base
    assert base is not None
    found = [weights_sha256(load_weights(where)) for where in (folder.weights, folder.start)]
    assert found == [base.weights_sha256] * 2
    return base


def _files(place: Path) -> object:
    return {
        str(path.relative_to(place)): path.read_bytes()
        for path in (place / "boards").rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def _run_words(compose: str, *more: object) -> Callable[[Path], list[object]]:
    return lambda place: [
        *("run", "--compose", compose, *QUICK, *more, "--out", place / "run", "--resume"),
    ]


RUN = Scene("run", _run_words(FLAT, "--steps", 3, *EVERY), _nothing, _weights)
LONG = Scene("run", _run_words(FLAT, "--steps", 150, "--set", "checkpoint=0.02"), _nothing, _weights)
STAGES = Scene("run, prior fitted after", _run_words(CODES, "--steps", 2, *EVERY, *FIT), _nothing, _weights)
FURTHER = Scene(
    "run --from",
    lambda place: [
        *("run", "--from", place / "base", "--steps", 2, *QUICK, *EVERY),
        *("--out", place / "run", "--resume"),
    ],
    _base,
    _weights,
)
REFIT = Scene(
    "refit",
    lambda place: [
        *("refit", place / "base", "--prior", "mog,prior.components=2", *FIT, "--device", "cpu"),
        *("--out", place / "run", "--resume"),
    ],
    _base,
    _weights,
)
IMPORT = Scene(
    "import",
    lambda place: [
        *("import", "vdvae", place / "weights.safetensors", "--recipe", place / "net.toml"),
        *("--data", "digits", "--out", place / "run", "--device", "cpu"),
    ],
    _released,
    _imported,
)
SUBMIT = Scene("submit", lambda place: ["submit", place / "base", "--root", place / "boards"], _base, _files)
BOARD = Scene("leaderboard", lambda place: ["leaderboard", "--root", place / "boards"], _board, _files)
ALL = (RUN, STAGES, FURTHER, REFIT, IMPORT, SUBMIT, BOARD)


class Stage:
    """A scene that is played again and again, each time on a fresh copy of what it needs."""

    def __init__(self, scene: Scene, root: Path) -> None:
        self.scene, self.root = scene, root
        self.place = root / "place"
        scene.prepare(root / "template")
        self.fresh()
        ended = call(*self.words)
        assert ended.code == 0, ended.err
        self.operations = ended.operations
        self.wanted = scene.outcome(self.place)

    @property
    def words(self) -> list[object]:
        return self.scene.words(self.place)

    def fresh(self) -> None:
        shutil.rmtree(self.place, ignore_errors=True)
        shutil.copytree(self.root / "template", self.place)

    def disturbed(self, fault: Fault) -> None:
        """The command under a fault, and once more without: what comes of it is as ever, and nothing is left
        beside it."""
        self.fresh()
        ended = call(*self.words, fault=fault)
        if fault.how == "kill":
            assert ended.code == -9, ended
        elif ended.code != 0:  # 0 where the fault met what is of no consequence
            assert ended.code == 1, ended
            because = "No space left on device" if fault.how == "full" else "Input/output error"
            assert because in ended.line, ended.line
            if self.words[0] == "run" and (self.place / "run" / "run.json").exists():
                assert f"run --resume --out {self.place / 'run'}" in ended.line
        for name in ("checkpoints", "fit-checkpoints"):
            _, wrong = Store(self.place / "run" / name).latest()
            assert not wrong, wrong
        self.settled()

    def settled(self) -> None:
        """The command once more, undisturbed."""
        again = call(*self.words)
        whole = again.code == 2 and "already holds a run" in again.err
        assert again.code == 0 or whole, again.err
        assert self.scene.outcome(self.place) == self.wanted
        litter = [path for path in self.place.rglob(".*") if path.name != ".lock"]
        assert not litter, litter

    def points(self, how: How, every: int = 1) -> Iterator[Fault]:
        """Faults at each operation that can meet one, or at each ``every``-th of each sort."""
        sorts = {"kill": {*CHANGES, "rmdir"}, "full": {"write", "fsync"}, "error": {*CHANGES}}[how]
        met: dict[str, int] = {}
        for at, operation in enumerate(self.operations, 1):
            met[operation] = met.get(operation, -1) + 1
            if operation in sorts and met[operation] % every == every // 2:
                yield Fault(at, how)

    def killed_at_random(self, kills: int, seed: int) -> int:
        """Runs that are killed at random moments and resumed until that many kills; how many runs it took."""
        chance, done, runs = Random(seed), 0, 0
        while done < kills:
            self.fresh()
            runs += 1
            while done < kills:
                begun = Call(self.words)
                if begun.wait(chance.uniform(0, 0.6)) is not None:
                    break
                begun.kill()
                done += 1
            self.settled()
        return runs
