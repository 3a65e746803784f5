"""Small classifiers for small grey images; the features are the inputs of the last hidden activation."""

from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from vaebench.errors import UsageError
from vaebench.evaluation.extractors import verified


@dataclass(frozen=True, slots=True)
class Small:
    """A small extractor: the images that it takes, its features, and the hash of its weights."""

    name: str
    shape: tuple[int, int, int]
    """Channels, height, width."""
    strides: tuple[int, int, int]
    width: int
    sha256: str

    @property
    def weights(self) -> Path:
        """The shipped file, written by ``vaebench.evaluation.extractors.train``."""
        return Path(str(resources.files("vaebench.evaluation"))) / "weights" / f"{self.name}.safetensors"


DIGITS = Small(
    "digits", (1, 8, 8), (1, 2, 2), 32, "f631e997e10a399a726e5f742e7d17bc0943f9335b1af3f29e87cfb5fc8e2661"
)
MNIST = Small(
    "mnist", (1, 28, 28), (2, 2, 2), 64, "2badd3516aaaf96c3346af1df16c4bceaaebbc3c130dd60f161dc7a96a4ed075"
)
FASHION_MNIST = Small(
    "fashion-mnist",
    (1, 28, 28),
    (2, 2, 2),
    64,
    "2837b8d82112605a40b6620a43b8c73efe5c714bbd7a03ea46930200a93c564b",
)
ALL = (DIGITS, MNIST, FASHION_MNIST)


class Classifier(nn.Module):
    """Three convolutions, a linear layer to the features, SiLU, ten classes.

    The features are batch-normalised without gain, before their activation: no unit can die, and each has
    variance about 1 over the training images, which sets the unit of FID.
    """

    def __init__(self, small: Small) -> None:
        super().__init__()
        channels, height, width = small.shape
        layers: list[nn.Module] = []
        for out, stride in zip((32, 64, 64), small.strides, strict=True):
            layers += [nn.Conv2d(channels, out, 3, stride, padding=1), nn.SiLU()]
            channels, height, width = out, -(-height // stride), -(-width // stride)
        self.features = nn.Sequential(
            *layers,
            nn.Flatten(),
            nn.Linear(channels * height * width, small.width),
            nn.BatchNorm1d(small.width, affine=False),
        )
        self.classes = nn.Sequential(nn.SiLU(), nn.Linear(small.width, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Class logits (B, 10) of images (B, C, H, W) in [0, 1]."""
        return self.classes(self.features(x))


class SmallExtractor:
    """The features of a trained ``Classifier``; see ``vaebench.contracts.FeatureExtractor``."""

    def __init__(self, small: Small, weights: str | None, device: torch.device) -> None:
        content = verified(small.weights if weights is None else Path(weights), small.sha256, small.name)
        network = Classifier(small)
        network.load_state_dict(safetensors.torch.load(content))
        self.small = small
        self.device = device
        self.width = small.width
        self.weights_sha256 = small.sha256
        self.network = network.features.eval().to(device)

    @torch.inference_mode()
    def __call__(self, images: Tensor, levels: int) -> Tensor:
        """Features (B, width) of images (B, C, H, W) in 0 .. levels-1; raises UsageError for other shapes."""
        if tuple(images.shape[1:]) != self.small.shape:
            raise UsageError(
                f"extractor {self.small.name} needs images of shape {self.small.shape}, "
                f"not {tuple(images.shape[1:])}"
            )
        return self.network(images.to(self.device).float() / (levels - 1))


def digits(weights: str | None, device: torch.device) -> SmallExtractor:
    """32 features of 8x8 grey digits."""
    return SmallExtractor(DIGITS, weights, device)


def mnist(weights: str | None, device: torch.device) -> SmallExtractor:
    """64 features of 28x28 digits, grey or binarised."""
    return SmallExtractor(MNIST, weights, device)


def fashion_mnist(weights: str | None, device: torch.device) -> SmallExtractor:
    """64 features of 28x28 grey clothes."""
    return SmallExtractor(FASHION_MNIST, weights, device)
