"""A request: everything that decides what a run computes."""

import hashlib
import re
from collections.abc import Collection
from typing import TypeVar

import msgspec

from vaebench.composing.spec import DataSpec, parse, parse_data
from vaebench.settings import Scoring, Training
from vaebench.storage import later

S = TypeVar("S", Training, Scoring)
_NAMED_BY_ALL = 4
"""A run's folder is named by every field that came up to this change (``vaebench.storage.later``), and by a
later one where it says more than its absence."""


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The finished run whose weights a run starts from."""

    weights_sha256: str
    command: str
    """What reproduces it."""
    frozen: bool
    """Everything but the prior stays as it is: a prior is swapped; otherwise all is trained further."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that decides what a run computes, in canonical form."""

    compose: str
    data: str
    training: Training
    scoring: Scoring
    seed: int
    fitting: Training | None = None
    """How a prior is fitted after the rest; None where it learns with it."""
    base: Base | None = None

    @property
    def digest(self) -> str:
        """Eight hex digits that differ where anything asked for differs."""
        table = later.content(self, always=_NAMED_BY_ALL)
        return hashlib.sha256(msgspec.json.encode(table)).hexdigest()[:8]

    @property
    def folder_name(self) -> str:
        """``<data>-<encoder>-<latent>-<prior>-s<seed>-<digest>``."""
        choices = parse(self.compose).choices
        names = [choices[slot].name for slot in ("enc", "latent", "prior") if slot in choices]
        data = re.split("[:,]", self.data)[0]
        return f"{'-'.join(filter(None, [data, *names]))}-s{self.seed}-{self.digest}"


def data_as_meant(data: str) -> str:
    """The data that a run asked for, with its split named: folders without a named split were shuffled."""
    if re.split("[:,]", data)[0].strip() != "folder" or "split" in (spec := parse_data(data)).parameters:
        return data
    return str(DataSpec(spec.name, spec.argument, {**spec.parameters, "split": "shuffle"}))


def as_before(request: Request, given: Collection[str] = ()) -> Request:
    """What a request meant before some settings came, where these are not given.

    :param given: names of the settings that were given, those of a fit after ``fit.``
    """
    fit = {name.removeprefix("fit.") for name in given if name.startswith("fit.")}
    return msgspec.structs.replace(
        request,
        training=_absent(request.training, given),
        scoring=_absent(request.scoring, given),
        fitting=request.fitting and _absent(request.fitting, fit),
    )


def _absent(settings: S, given: Collection[str]) -> S:
    absent = {name: absence.value for name, absence in later.absences(type(settings)).items()}
    return msgspec.structs.replace(settings, **{n: value for n, value in absent.items() if n not in given})
