"""The progress events of ``run --progress json``: one JSON object per line on stderr.

``event`` names the kind of an event. A number that is not finite is null. A reader should skip kinds and keys
that it does not know.
"""

from typing import Literal

import msgspec

Name = Literal["training", "fitting the prior", "scoring"]
TRAINING: Name = "training"
FITTING: Name = "fitting the prior"
SCORING: Name = "scoring"


class _Event(msgspec.Struct, frozen=True, tag_field="event"):
    pass


class Phase(_Event, frozen=True, tag="phase"):
    """A new phase of the run begins."""

    phase: Name


class Start(_Event, frozen=True, tag="start"):
    """Training, or the fit of a prior, starts or continues after ``step`` of ``total`` steps."""

    step: int
    total: int


class Step(_Event, frozen=True, tag="step"):
    """The state of training, at most twice per second."""

    step: int
    total: int = 0
    loss: float | None = None
    """Nats per image."""
    images_per_second: float | None = None


class Validated(_Event, frozen=True, tag="validated"):
    """The bound on the validation images and whether it is the best so far."""

    step: int
    total: int = 0
    bits_per_dim: float | None = None
    best: bool = False


class Saved(_Event, frozen=True, tag="checkpoint"):
    """The checkpoint of this step has been written."""

    step: int


class Count(_Event, frozen=True, tag="count"):
    """How many images of a longer task are done."""

    what: str
    done: int
    total: int


class Say(_Event, frozen=True, tag="say"):
    """A line for a person."""

    line: str


class End(_Event, frozen=True, tag="end"):
    """The record of the run has been written."""

    status: Literal["ok", "diverged"]
    bits_per_dim: float | None = None
    """The score on the test images."""


Event = Phase | Start | Step | Validated | Saved | Count | Say | End
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> str:
    """Encode an event as a line, without the line end."""
    return _ENCODER.encode(event).decode()


def decode(line: str) -> Event | None:
    """Decode the event in a line; None where the line is not an event, or its kind is unknown."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def is_event(line: str) -> bool:
    """Whether a line is an event of any kind, and not plain text."""
    try:
        return isinstance(msgspec.json.decode(line, type=dict).get("event"), str)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
