"""Networks whose features FID and KID compare: ``(weights, device) -> FeatureExtractor``, one per name.

The name fixes the weights: every file is checked against its SHA-256 before it is used, shipped or not.
"""

import hashlib
from pathlib import Path

from vaebench.errors import VaebenchError


class ExtractorUnavailableError(VaebenchError):
    """Raised if an extractor's weights are missing or wrong; FID is then missing, never replaced."""


def verified(path: Path, sha256: str, extractor: str) -> bytes:
    """Read a weights file; raises ExtractorUnavailableError unless its SHA-256 is ``sha256``."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ExtractorUnavailableError(
            f"weights of extractor {extractor}: {path} cannot be read: {error.strerror}"
        ) from None
    except ValueError as error:  # a name with a NUL
        raise ExtractorUnavailableError(
            f"weights of extractor {extractor}: {str(path)!r} cannot be read: {error}"
        ) from None
    return checked(content, str(path), sha256, extractor)


def checked(content: bytes, origin: str, sha256: str, extractor: str) -> bytes:
    """Return ``content``; raises ExtractorUnavailableError unless its SHA-256 is ``sha256``."""
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ExtractorUnavailableError(
            f"weights of extractor {extractor}: {origin} has sha256 {actual[:12]}…, expected {sha256[:12]}…: "
            "not the file that defines this extractor"
        )
    return content
