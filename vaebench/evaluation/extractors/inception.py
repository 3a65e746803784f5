"""Inception v3 for FID: 2,048 pooled features (Heusel et al. 2017), by torch-fidelity."""

import io
import logging
from http.client import HTTPException
from pathlib import Path
from urllib.request import urlopen

import torch
from torch import Tensor
from torch.hub import get_dir

from vaebench.errors import UsageError, refused
from vaebench.evaluation.extractors import ExtractorUnavailableError, checked, verified
from vaebench.storage import caches
from vaebench.storage.files import write_atomic

URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
FEATURES = "2048"
_LOG = logging.getLogger(__name__)
PATIENCE = 30.0
"""A download is given up after this many seconds without an answer."""


def cached() -> Path:
    """The file in which torch.hub, and so torch-fidelity, caches the weights."""
    kept = Path(get_dir())
    return (caches.NOWHERE if kept.parts[0] == "~" else kept) / "checkpoints" / URL.rpartition("/")[2]


def _fetched() -> bytes:
    """The weights from torch.hub's cache, or downloaded into it."""
    path = cached()
    if path.exists():
        return verified(path, SHA256, "inception")
    try:
        with urlopen(URL, timeout=PATIENCE) as answer:
            content = checked(answer.read(), URL, SHA256, "inception")
    except (OSError, HTTPException) as error:
        place = "" if path.is_relative_to(caches.NOWHERE) else f"put {URL} at {path}, or "
        raise ExtractorUnavailableError(
            f"weights of extractor inception could not be fetched ({error}): {place}"
            "name the file with --set extractor_weights=PATH"
        ) from None
    try:
        write_atomic(path, content)
    except OSError as error:
        _LOG.warning("weights of extractor inception could not be cached: %s", refused(error))
    return content


class InceptionExtractor:
    """torch-fidelity's ``inception-v3-compat``; see ``vaebench.contracts.FeatureExtractor``."""

    width = int(FEATURES)
    weights_sha256 = SHA256

    def __init__(self, weights: str | None, device: torch.device) -> None:
        content = _fetched() if weights is None else verified(Path(weights), SHA256, "inception")
        from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

        # torch-fidelity unpickles without weights_only, so it gets a file of tensors saved here
        tensors = io.BytesIO()
        torch.save(torch.load(io.BytesIO(content), map_location="cpu", weights_only=True), tensors)
        tensors.seek(0)
        network = FeatureExtractorInceptionV3(
            "inception-v3-compat", [FEATURES], feature_extractor_weights_path=tensors
        )
        self.device = device
        self.network = network.eval().to(device)

    @torch.inference_mode()
    def __call__(self, images: Tensor, levels: int) -> Tensor:
        """Features (B, 2048) of images (B, 1 or 3, H, W) in 0 .. levels-1, scaled to 0 .. 255.

        :raises UsageError: for another number of channels
        """
        if images.shape[1] not in (1, 3):
            raise UsageError(
                "extractor inception needs images of shape (1 or 3, height, width), "
                f"not {tuple(images.shape[1:])}"
            )
        top = levels - 1
        pixels = (images.to(self.device).long() * (2 * 255) + top) // (2 * top)  # rounded, halves up
        (features,) = self.network(pixels.to(torch.uint8).expand(-1, 3, -1, -1))
        return features


def inception(weights: str | None, device: torch.device) -> InceptionExtractor:
    """2,048 features of grey or colour images, from the weights at a path, in torch.hub's cache, or fetched.

    :raises ExtractorUnavailableError: if the weights cannot be obtained or are not the published ones
    """
    return InceptionExtractor(weights, device)
