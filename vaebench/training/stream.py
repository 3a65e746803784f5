"""An endless stream of training images that is a function of the step, so that it needs no saved state."""

from collections.abc import Callable

import torch
from torch import Tensor

from vaebench.noise import derived_seed


class Stream:
    """Batch s holds positions s·B … (s+1)·B − 1 of the concatenated shuffles of all epochs, dropping none.

    :param images: (N, C, H, W), on the training device
    :param draw: maps stored images to those that the model sees, with fresh binarisation
    :param labels: (N,) classes, if the images have them
    """

    def __init__(
        self,
        images: Tensor,
        batch: int,
        seed: int,
        draw: Callable[[Tensor], Tensor] | None = None,
        labels: Tensor | None = None,
    ) -> None:
        self.images = images
        self.labels = labels
        self.batch = batch
        self.seed = seed
        self.draw = draw
        self._order: dict[int, Tensor] = {}

    def _permutation(self, epoch: int) -> Tensor:
        if epoch not in self._order:
            generator = torch.Generator().manual_seed(derived_seed(self.seed, "order", epoch))
            order = torch.randperm(len(self.images), generator=generator).to(self.images.device)
            self._order = {e: o for e, o in self._order.items() if e == epoch - 1} | {epoch: order}
        return self._order[epoch]

    def _places(self, step: int) -> Tensor:
        """The numbers of a step's images, (B,)."""
        place, end, count = step * self.batch, (step + 1) * self.batch, len(self.images)
        pieces = []
        while place < end:
            epoch, offset = divmod(place, count)
            taken = min(end - place, count - offset)
            pieces.append(self._permutation(epoch)[offset : offset + taken])
            place += taken
        return pieces[0] if len(pieces) == 1 else torch.cat(pieces)

    def at(self, step: int) -> Tensor:
        """The images of a step, (B, C, H, W); with ``draw``, torch's generator must be seeded first."""
        x = self.images[self._places(step)]
        return x if self.draw is None else self.draw(x)

    def labels_at(self, step: int) -> Tensor | None:
        """The classes of a step's images, (B,); None if they have none."""
        return None if self.labels is None else self.labels[self._places(step)]
