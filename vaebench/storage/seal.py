"""JSON objects that notice a changed bit: the last member is the sha256 of the text without it.

The text is that of ``vaebench.storage.encoding.plain_utf8``: its encoding and line ends are no content.
"""

import hashlib
import re

from vaebench.storage.encoding import plain_utf8

_SEAL = re.compile(rb',\n  "sha256": "([0-9a-f]{64})"\n\}\n')
_LENGTH = len(',\n  "sha256": ""\n}\n') + 64


def seal(text: bytes) -> bytes:
    """An indented JSON object, not empty, with its seal."""
    body = text.removesuffix(b"\n").removesuffix(b"\n}")
    digest = hashlib.sha256(body).hexdigest()
    return body + f',\n  "sha256": "{digest}"\n}}\n'.encode()


def unseal(text: bytes) -> bytes:
    """The object that was sealed; text without a seal, as the first runs have it, is returned in UTF-8.

    :raises ValueError: where it has changed
    """
    text = plain_utf8(text).rstrip(b"\n") + b"\n"
    found = _SEAL.fullmatch(text[-_LENGTH:])
    if found is None:
        return text
    body = text[:-_LENGTH]
    if hashlib.sha256(body).hexdigest().encode() != found[1]:
        raise ValueError("it has changed since it was written")
    return body + b"\n}\n"
