"""Faulty objectives, and the laws that see them."""

import pytest
from torch import Tensor

from vaebench.contracts import (
    Group,
    ImageShape,
    Objective,
    Progress,
    Scored,
)

from .witness import Witness, bites

SEES, TRAINS, BLIND = (
    "each pixel sees only earlier pixels",
    "each pixel sees only earlier pixels, in training",
    "no blind spot",
)


class Plain(Objective):
    """Distortion and rates, from which the faulty ones below depart."""

    def __init__(self, groups: tuple[Group, ...], image: ImageShape) -> None:
        super().__init__()
        self.image = image

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.distortion + scored.kl().sum(0)).mean(0)


class BatchLoss(Plain):
    """The mean over the batch where a loss per image is due."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return super().forward(scored, progress).mean()


class PixelMean(Plain):
    """A distortion averaged over pixels beside a summed KL."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.distortion / self.image.dims + scored.kl().sum(0)).mean(0)


class NegativeLikelihood(Plain):
    """The likelihood's sign turned once too often."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        return (scored.kl().sum(0) - scored.distortion).mean(0)


class PositiveLoss(Plain):
    """IWAE with weights from the positive loss: the worst sample weighs most."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        loss = -scored.log_weights()
        return (loss.softmax(0).detach() * loss).sum(0)


class TwoWeights(Plain):
    """A KL weight in training and another in validation."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        weight = 0.1 if self.training else 1.0
        return (scored.distortion + weight * scored.kl().sum(0)).mean(0)


class Rooted(Plain):
    """The square root of a capacity's distance, at zero."""

    def forward(self, scored: Scored, progress: Progress) -> Tensor:
        kl = scored.kl().sum(0)
        return (scored.distortion + kl + (kl - kl.detach()).abs().sqrt()).mean(0)


WITNESSES = [
    Witness(
        "objective", "there is one loss per image", BatchLoss, "shape of the loss", "a loss of batch means"
    ),
    Witness(
        "objective",
        "distortion counts in nats",
        PixelMean,
        "nats of loss",
        "a distortion averaged over pixels against a summed KL",
    ),
    Witness(
        "objective",
        "distortion counts in nats",
        NegativeLikelihood,
        "a better reconstruction costs more",
        "an NLL with the sign of a log-likelihood",
    ),
    Witness(
        "objective",
        "the best sample counts most",
        PositiveLoss,
        "more weight",
        "IWAE weights from the positive loss",
    ),
    Witness(
        "objective",
        "the loss is the same in both modes",
        TwoWeights,
        "eval mode",
        "a KL weight in training and another in validation",
    ),
    Witness("objective", "gradients are finite", Rooted, "not finite", "the root of a distance at zero"),
]


@pytest.mark.parametrize("witness", WITNESSES, ids=str)
def test_the_law_bites(witness: Witness) -> None:
    bites(witness)
