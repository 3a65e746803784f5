"""A request: everything that determines what a run computes."""

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
"""The name of a run folder depends on every field up to this change (``vaebench.storage.later``), and on a
later field only where its value differs from the meaning of its absence."""


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The finished run from whose weights another run starts."""

    weights_sha256: str
    command: str
    """The command that reproduces it."""
    frozen: bool
    """True: a new prior is fitted and everything else stays frozen. False: the whole model is trained."""


class Request(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything that determines what a run computes, in canonical form."""

    compose: str
    data: str
    training: Training
    scoring: Scoring
    seed: int
    fitting: Training | None = None
    """The settings of fitting the prior after the rest; None where the prior is trained with the rest."""
    base: Base | None = None

    @property
    def only_prior(self) -> bool:
        """Whether a new prior is fitted and everything else stays as the base run left it."""
        return self.base is not None and self.base.frozen

    @property
    def digest(self) -> str:
        """Eight hex digits of a hash of the whole request."""
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
    """Return the data of a run with the split named: image folders without a named split were shuffled."""
    if re.split("[:,]", data)[0].strip() != "folder" or "split" in (spec := parse_data(data)).parameters:
        return data
    return str(DataSpec(spec.name, spec.argument, {**spec.parameters, "split": "shuffle"}))


def as_before(request: Request, given: Collection[str] = ()) -> Request:
    """Return what a request meant before newer settings existed, except for the settings that are given.

    :param given: names of the settings that were given; those of a fit start with ``fit.``
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
