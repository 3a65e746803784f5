"""What a run tells a program that watches it: ``run --progress json``, one JSON object a line on stderr.

``event`` names the kind of an object. A number that is not finite is null. A reader passes over kinds and
keys that it does not know.
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
    """What comes next."""

    phase: Name


class Start(_Event, frozen=True, tag="start"):
    """Training, or a prior's fit, begins or goes on after so many steps of its budget."""

    step: int
    total: int


class Step(_Event, frozen=True, tag="step"):
    """A step of training, twice a second at most."""

    step: int
    total: int = 0
    loss: float | None = None
    """Nats per image."""
    images_per_second: float | None = None


class Validated(_Event, frozen=True, tag="validated"):
    """The bound on the validation images, and whether it is the best so far."""

    step: int
    total: int = 0
    bits_per_dim: float | None = None
    best: bool = False


class Saved(_Event, frozen=True, tag="checkpoint"):
    """A checkpoint of this step is on the disk."""

    step: int


class Count(_Event, frozen=True, tag="count"):
    """How many images of a longer piece of work are done."""

    what: str
    done: int
    total: int


class Say(_Event, frozen=True, tag="say"):
    """A line for a person."""

    line: str


class End(_Event, frozen=True, tag="end"):
    """The run's record is written."""

    status: Literal["ok", "diverged"]
    bits_per_dim: float | None = None
    """Of the test images."""


Event = Phase | Start | Step | Validated | Saved | Count | Say | End
_ENCODER = msgspec.json.Encoder()
_DECODER: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


def encode(event: Event) -> str:
    """The line of an event, without its end."""
    return _ENCODER.encode(event).decode()


def decode(line: str) -> Event | None:
    """The event in a line; None for one that is none, or of a kind that is not known."""
    try:
        return _DECODER.decode(line)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return None


def is_event(line: str) -> bool:
    """Whether a line is an event, known or not, and not words."""
    try:
        return isinstance(msgspec.json.decode(line, type=dict).get("event"), str)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return False
