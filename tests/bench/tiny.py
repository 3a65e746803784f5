"""A tiny track, planned and done in this process."""

from pathlib import Path
from typing import Any

from vaebench import registry
from vaebench.bench.children import Status
from vaebench.bench.plan import TrackPlan, plan
from vaebench.bench.work import Work
from vaebench.contracts import ImageShape
from vaebench.errors import VaebenchError
from vaebench.progress import Lines
from vaebench.requests import tracks
from vaebench.run.perform import Place, perform

KNOWN = registry.load()

DIGITS = ImageShape(1, 8, 8, 17)

TINY = "enc=mlp,enc.hidden=8,latent=gaussian,latent.dim=2,prior=normal,dec=mlp,dec.hidden=8,lik=categorical"

CODED = (
    "enc=conv,enc.width=4,latent=ema-vq,latent.codes=4,latent.dim=2,"
    "prior=pixelcnn,prior.width=4,prior.layers=1,dec=conv,dec.width=4,lik=categorical"
)

TRACK = f"""
summary = "a tiny track"
data = "digits"
seeds = [0, 1]
base = "{TINY}"
[budget]
images = 64
batch = 16
lr = 1e-3
[scoring]
samples = 2
extractor = "off"
[fit]
images = 32
batch = 16
[[entries]]
compose = "{TINY}"
why = "tiny"
"""

ENDLESS = TRACK.replace("images = 64", "images = 100000000")

AGAIN = f'[[entries]]\ncompose = "{TINY.replace("dim=2", "dim=3")}"\nwhy = "tiny, one more"\n'

LOST = '[[entries]]\ncompose = "latent=nosuch"\nwhy = "a part that is not installed"\n'


class InProcess:
    """A child that runs here, quickly; as many of them as there were are counted."""

    started = 0

    def __init__(self, status: Status, words: list[str], threads: int | None) -> None:
        self.status = status
        type(self).started += 1

    def wait(self) -> int:
        run = self.status.run
        try:
            perform(run.request, KNOWN, Place(run.prepared.root, "cpu", run.folder, resume=True), Lines())
        except VaebenchError as error:
            self.status.tell(f"vaebench: {error}\n")
            return error.exit_code
        return 0

    def ask_to_end(self) -> None:
        pass

    def end(self, deadline: float) -> None:
        pass


def planned(folder: Path, text: str = TRACK, **asked: Any) -> TrackPlan:
    path = folder / "tiny.toml"
    path.write_text(text)
    return plan(tracks.read(path), KNOWN, folder / "runs", folder, "cpu", **asked)


def bench(folder: Path, text: str = TRACK, board: Path | None = None, **asked: Any) -> Work:
    return Work(planned(folder, text, **asked), board, folder, "cpu")


def states(work: Work) -> list[str]:
    return [status.state for status in work.statuses]
