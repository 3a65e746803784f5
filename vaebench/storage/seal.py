"""JSON objects that carry their own checksum: the last member is the SHA-256 of the text before it.

The checksum is taken of ``vaebench.storage.encoding.plain_utf8``, so encoding and line ends may change.
"""

import hashlib
import re

from vaebench.storage.encoding import plain_utf8

_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n\}\n')
_LENGTH = len(',\n  "sha256": ""\n}\n') + 64


def seal(text: bytes) -> bytes:
    """Add the checksum to an indented JSON object, which must not be empty."""
    body = text.removesuffix(b"\n").removesuffix(b"\n}")
    digest = hashlib.sha256(body).hexdigest()
    return body + f',\n  "sha256": "{digest}"\n}}\n'.encode()


def unseal(text: bytes) -> bytes:
    """Check and remove the checksum; text without one, as in the first runs, is returned in UTF-8.

    :raises ValueError: where the text has changed
    """
    text = plain_utf8(text).rstrip(b"\n") + b"\n"
    match = _SEAL.fullmatch(text[-_LENGTH:])
    if match is None:
        return text
    body = text[:-_LENGTH]
    if hashlib.sha256(body).hexdigest().encode() != match[1]:
        raise ValueError("it has changed since it was written")
    return body + b"\n}\n"
