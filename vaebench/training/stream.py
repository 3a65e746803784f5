"""Training images as an endless stream that is a function of the step alone: nothing to save or to lose."""

import hashlib
from collections.abc import Callable

import torch
from torch import Tensor


def derived_seed(*parts: int | str) -> int:
    """A 63-bit seed from a run's seed and what it is for."""
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


class Stream:
    """Batch s holds places s·B … (s+1)·B − 1 of the concatenated shuffles of all epochs: no image is dropped.

    :param images: (N, C, H, W), on the device that trains
    :param draw: stored images -> as seen this time (fresh binarisation)
    """

    def __init__(
        self, images: Tensor, batch: int, seed: int, draw: Callable[[Tensor], Tensor] | None = None
    ) -> None:
        self.images = images
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

    def at(self, step: int) -> Tensor:
        """The images of a step, (B, C, H, W); seed torch's generator first if they are drawn afresh."""
        place, end, count = step * self.batch, (step + 1) * self.batch, len(self.images)
        pieces = []
        while place < end:
            epoch, offset = divmod(place, count)
            taken = min(end - place, count - offset)
            pieces.append(self._permutation(epoch)[offset : offset + taken])
            place += taken
        x = self.images[pieces[0] if len(pieces) == 1 else torch.cat(pieces)]
        return x if self.draw is None else self.draw(x)
