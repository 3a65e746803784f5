"""JSON that every strict parser accepts: NaN and infinities, which JSON lacks, become null."""

import json
import math
from typing import Any

import msgspec


def strict(value: Any, *, indent: int | None = None) -> str:
    """Encode builtins and msgspec structs as JSON, in ASCII, so that every terminal can print it."""
    return json.dumps(_finite(msgspec.to_builtins(value)), allow_nan=False, indent=indent)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
