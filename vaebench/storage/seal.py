"""JSON objects that notice a changed bit: the last member is the sha256 of the text without it."""

import hashlib
import re

_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n\}\n')
_LENGTH = len(',\n  "sha256": ""\n}\n') + 64


def seal(text: bytes) -> bytes:
    """An indented JSON object, not empty, with its seal."""
    body = text.removesuffix(b"\n").removesuffix(b"\n}")
    digest = hashlib.sha256(body).hexdigest()
    return body + f',\n  "sha256": "{digest}"\n}}\n'.encode()


def unseal(text: bytes) -> bytes:
    """The object that was sealed; text without a seal, as the first runs have it, is returned as it is.

    :raises ValueError: where it has changed
    """
    found = _SEAL.fullmatch(text[-_LENGTH:])
    if found is None:
        return text
    body = text[:-_LENGTH]
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise ValueError("it has changed since it was written")
    return body + b"\n}\n"
