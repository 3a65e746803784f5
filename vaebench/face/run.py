"""A run as Python sees it: its model, its record, and what can be asked of it."""

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import torch
from torch import Tensor

from vaebench import records
from vaebench.contracts import Dataset
from vaebench.evaluation import scoring
from vaebench.evaluation.draws import Draws
from vaebench.face.arguments import plain, seed_of, whole
from vaebench.face.encode import Latents, encode
from vaebench.face.images import Images, as_images
from vaebench.face.origin import Origin
from vaebench.maths.units import bits_per_dim
from vaebench.model import Vae
from vaebench.noise import ImageNoise
from vaebench.records import Record
from vaebench.requests.recipes import scoring_settings
from vaebench.requests.request import Request
from vaebench.run import runner
from vaebench.run.folder import RunFolder

if TYPE_CHECKING:
    import pandas as pd


class Run:
    """A finished or imported run: its model, its record, and what can be asked of it.

    Made by ``vb.train`` and ``vb.load``. The data are read when something needs them, so that a run can be
    sampled where its data are missing.
    """

    def __init__(self, folder: RunFolder, model: Vae, origin: Origin) -> None:
        self.folder = folder
        self.model = model
        """The trained model in evaluation mode, a ``torch.nn.Module``."""
        self.origin = origin
        self.request: Request = folder.request()
        """Everything that was asked for."""

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.request.compose!r}, data={self.request.data!r})"

    @property
    def path(self) -> Path:
        """The run's folder."""
        return self.folder.path

    @cached_property
    def record(self) -> Record:
        """The record: scores, settings, costs and the command that repeats the run.

        :raises UsageError: for a run of imported weights, which has none
        """
        if not self.folder.record.exists():
            raise runner.unfinished(self.folder, "record")
        return records.read(self.folder.record)

    @property
    def data(self) -> Dataset:
        """The data set that the run was trained on.

        :raises UsageError: where the data are not there
        :raises OtherDataError: where they have changed since
        """
        return self.origin.data

    @cached_property
    def history(self) -> "pd.DataFrame":
        """The validations, one a row: stage (training, fit), step, images, seconds, nats and bits_per_dim.

        ``nats`` per image are the negative ELBO, or the rate where a prior is fitted afterwards.
        """
        import pandas as pd

        columns = ["stage", "step", "images", "seconds", "nats", "bits_per_dim"]
        stages: dict[str, list[dict[str, float]]] = {}
        if self.folder.history.exists():
            stages = msgspec.json.decode(self.folder.history.read_bytes())
        batch = {
            "training": self.request.training.batch,
            "fit": (self.request.fitting or self.request.training).batch,
        }
        rows = [
            (
                stage,
                int(point["step"]),
                int(point["step"]) * batch[stage],
                point["seconds"],
                point["nats"],
                bits_per_dim(point["nats"], self.model.image.dims),
            )
            for stage, points in stages.items()
            for point in points
        ]
        return pd.DataFrame(rows, columns=columns)

    def sample(
        self, count: int = 64, temperature: float = 1.0, seed: int = 0, label: int | None = None
    ) -> Tensor:
        """Draw images: int64 (count, C, H, W) in 0 .. levels-1, the same for the same seed.

        :param temperature: multiplies the standard deviation of the prior
        :param label: class of all images, for priors that know classes
        :raises UsageError: for a class that the prior does not know
        """
        draws = Draws(seed_of(seed), self.request.scoring.score_batch)
        number = None if label is None else whole("label", label)
        scale = scoring_settings({"temperature": plain(temperature)})["temperature"]
        return scoring.generate(self.model, whole("count", count), draws, scale, number)

    @torch.inference_mode()
    def reconstruct(self, x: Images, seed: int = 0) -> Tensor:
        """The mean E[x|z], z ~ q(z|x), of integer images (N, C, H, W): reals in 0 .. levels-1, on the CPU.

        :raises UsageError: for images of another shape, reals, or values outside 0 .. levels-1
        """
        images, seed = as_images(x, self.model.image), seed_of(seed)
        device = next(self.model.parameters()).device
        means = [
            self.model.reconstruct(images[part].to(device), ImageNoise(seed, part.to(device))).cpu()
            for part in torch.arange(len(images)).split(self.request.scoring.score_batch)
        ]
        return torch.cat(means)

    def encode(self, x: Images | None = None, split: str = "test") -> Latents:
        """The latents of images, or of a split of the run's data: see ``vb.encode``."""
        return encode(self, x, split=split)
